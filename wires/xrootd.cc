/* The table of the XRootD wire. No exception passes it. */
#include "xrootd_file.hh"

#include <exception>

namespace {

enum mlaas_status fail_for(const std::exception &problem, struct mlaas_error *error) {
  return mlaas::fail(error, MLAAS_MEMORY, "XRootD's client failed: %s", problem.what());
}

enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options, struct mlaas_wire_file *file,
                            bool *transient, struct mlaas_error *error) {
  try {
    return mlaas::open_file(url, options, file, transient, error);
  } catch (const std::exception &problem) {
    return fail_for(problem, error);
  }
}

enum mlaas_status ask_checksum(void *handle, char *text, size_t size, struct mlaas_error *error) {
  try {
    return mlaas::ask_checksum(handle, text, size, error);
  } catch (const std::exception &problem) {
    return fail_for(problem, error);
  }
}

enum mlaas_status list_directory(const char *url, const struct mlaas_remote_options *options,
                                 bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                 struct mlaas_error *error) {
  try {
    return mlaas::list_directory(url, options, entry, context, error);
  } catch (const std::exception &problem) {
    return fail_for(problem, error);
  }
}

const char *const schemes[] = {"root", "xroot", "roots", "xroots", nullptr};

const struct mlaas_wire wire = {MLAAS_WIRE_VERSION, sizeof(struct mlaas_wire), schemes,      open_file,
                                mlaas::start_fetch, mlaas::cancel_fetch,       ask_checksum, list_directory,
                                mlaas::close_file,  mlaas::settle_file};

} // namespace

const struct mlaas_wire *mlaas_wire_get(void) { return &wire; }
