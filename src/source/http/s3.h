/* S3: where an object is, and the keys to sign with. libcurl signs. */
#ifndef MLAAS_SOURCE_HTTP_S3_H
#define MLAAS_SOURCE_HTTP_S3_H

#include <mlaas/context.h>
#include <stdbool.h>

struct mlaas_s3_keys {
  char access[160], secret[256]; /* "" : anonymous */
  char *session;                 /* a token of temporary keys, or NULL */
  char source[64];               /* where they were found, for messages */
  char signature[96];            /* what libcurl is told: "aws:amz:REGION:s3" */
};

bool mlaas_s3_is_url(const char *url);
/* "s3://BUCKET/KEY" to an HTTP URL (mlaas_free): below `s3_endpoint`, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL as
 * ENDPOINT/BUCKET/KEY, else https://BUCKET.s3.REGION.amazonaws.com/KEY. The key is taken as it is typed: a '%' is one.
 * Errors: ARGUMENT, MEMORY. */
enum mlaas_status mlaas_s3_url(const char *url, const struct mlaas_remote_options *options, char **http,
                               struct mlaas_error *error);
/* AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else those of AWS_PROFILE in
 * AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials; else none, and requests are not signed. Errors: ARGUMENT (half a
 * pair), MEMORY. */
enum mlaas_status mlaas_s3_keys_find(const struct mlaas_remote_options *options, struct mlaas_s3_keys *keys,
                                     struct mlaas_error *error);
void mlaas_s3_keys_reset(struct mlaas_s3_keys *keys); /* overwrites them */

#endif
