/* Two tables: codes of libcurl and statuses of HTTP. Must not know what was asked. */
#include "source/http/request.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

struct code_row {
  CURLcode code;
  enum mlaas_status status;
  bool transient;
  const char *advice;
};

static const struct code_row codes[] = {
    {CURLE_COULDNT_RESOLVE_HOST, MLAAS_IO, true, "is its name right, and is there a network?"},
    {CURLE_COULDNT_RESOLVE_PROXY, MLAAS_IO, true, "check the variables http_proxy, https_proxy and no_proxy"},
    {CURLE_PROXY, MLAAS_IO, true, "check the variables http_proxy, https_proxy and no_proxy"},
    {CURLE_COULDNT_CONNECT, MLAAS_IO, true, "is it running, and the port right?"},
    {CURLE_OPERATION_TIMEDOUT, MLAAS_TIMEOUT, true, "is it reachable from here?"},
    {CURLE_PEER_FAILED_VERIFICATION, MLAAS_IO, false,
     "name the authority that signed its certificate (option authorities, or X509_CERT_DIR)"},
    {CURLE_SSL_ISSUER_ERROR, MLAAS_IO, false, "name the authority that signed its certificate"},
    {CURLE_SSL_CACERT_BADFILE, MLAAS_ARGUMENT, false, "check the option authorities"},
    {CURLE_SSL_CERTPROBLEM, MLAAS_ARGUMENT, false, "check the client's certificate and key (or X509_USER_PROXY)"},
    {CURLE_SSL_CONNECT_ERROR, MLAAS_IO, true, "does it speak TLS, and want a client's certificate?"},
    {CURLE_SSL_CIPHER, MLAAS_IO, false, NULL},
    {CURLE_SEND_ERROR, MLAAS_IO, true, NULL},
    {CURLE_RECV_ERROR, MLAAS_IO, true, NULL},
    {CURLE_GOT_NOTHING, MLAAS_IO, true, NULL},
    {CURLE_PARTIAL_FILE, MLAAS_IO, true, NULL},
    {CURLE_HTTP2, MLAAS_IO, true, NULL},
    {CURLE_HTTP2_STREAM, MLAAS_IO, true, NULL},
    {CURLE_WEIRD_SERVER_REPLY, MLAAS_IO, true, "does it speak HTTP?"},
    {CURLE_UNSUPPORTED_PROTOCOL, MLAAS_IO, true, "does it speak HTTP?"},
    {CURLE_WRITE_ERROR, MLAAS_IO, true, "the head of its answer is malformed or too long"},
    {CURLE_OUT_OF_MEMORY, MLAAS_MEMORY, false, NULL},
    {CURLE_URL_MALFORMAT, MLAAS_ARGUMENT, false, NULL},
};

void mlaas_http_fail_code(struct mlaas_http_request *request, CURLcode code) {
  struct code_row row = {code, MLAAS_IO, false, NULL};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i].code == code)
      row = codes[i];
  const char *words = request->words[0] ? request->words : curl_easy_strerror(code);
  request->transient = row.transient;
  request->status = mlaas_fail(&request->error, row.status, "%s: %.300s%s%s", request->origin.text, words,
                               row.advice ? "; " : "", row.advice ? row.advice : "");
}

struct reply_row {
  int status;
  enum mlaas_status ours;
  bool transient;
  const char *words;
};

static const struct reply_row replies[] = {
    {400, MLAAS_IO, false, "it does not understand the request"},
    {401, MLAAS_IO, false, "it wants other credentials"},
    {403, MLAAS_IO, false, "it does not allow this"},
    {404, MLAAS_NOT_FOUND, false, "there is no such file"},
    {405, MLAAS_UNSUPPORTED, false, "it does not do this"},
    {407, MLAAS_IO, false, "the proxy wants credentials"},
    {408, MLAAS_TIMEOUT, true, "it waited too long for the request"},
    {410, MLAAS_NOT_FOUND, false, "the file is gone"},
    {412, MLAAS_STALE, false, "the file has changed"},
    {416, MLAAS_STALE, false, "the file has become shorter"},
    {421, MLAAS_IO, true, "the wrong server was asked"},
    {425, MLAAS_IO, true, "too early"},
    {429, MLAAS_IO, true, "too many requests"},
    {500, MLAAS_IO, true, "an error of the server"},
    {501, MLAAS_UNSUPPORTED, false, "it does not do this"},
    {502, MLAAS_IO, true, "a server behind it fails"},
    {503, MLAAS_IO, true, "it is overloaded or in maintenance"},
    {504, MLAAS_IO, true, "a server behind it is too slow"},
    {505, MLAAS_UNSUPPORTED, false, "it speaks another version of HTTP"},
};

void mlaas_http_fail_reply(struct mlaas_http_request *request) {
  const struct mlaas_http_reply *reply = &request->reply;
  struct reply_row row = {reply->status, MLAAS_IO, reply->status >= 506, "an answer that is not expected"};
  for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
    if (replies[i].status == reply->status)
      row = replies[i];
  char said[440] = "", sent[320] = "", region[160] = "";
  bool is_s3 = request->site->is_s3;
  if (is_s3 && reply->status == 404)
    row.words = "there is no such object, or no such bucket";
  if (is_s3 && reply->status == 403)
    row.words = "it does not allow this, or there is no such object and the keys may not list the bucket";
  const char *xml = strstr(reply->words, "<Message>"); /* S3; pages in HTML say no more than the status */
  if (xml)
    snprintf(said, sizeof said, ": \"%.*s\"", (int)strcspn(xml + 9, "<"), xml + 9);
  else if (reply->words[0] && reply->words[0] != '<')
    snprintf(said, sizeof said, ": \"%s\"", reply->words);
  if (reply->status == 401 || reply->status == 403 || (is_s3 && reply->status == 400)) /* 400: a session that ended */
    snprintf(sent, sizeof sent, "; sent was: %s", request->credentials);
  if (is_s3 && reply->region[0] && (reply->status / 100 == 3 || reply->status == 400))
    snprintf(region, sizeof region, "; the bucket is in region '%s': say so with s3_region or AWS_REGION",
             reply->region);
  request->transient = row.transient;
  request->status = mlaas_fail(&request->error, row.ours, "%s answers %d, %s%s%s%s", request->origin.text,
                               reply->status, row.words, said, sent, region);
}
