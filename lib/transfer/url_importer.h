// UrlImporter: takes in a file from a web server whose hash is not known yet. Nothing vouches for
// its bytes but the server; hence they become a blob only as a whole, under the hash that they
// turn out to have.
//
// An interruption is gone on from where the server's file is surely the same one (parts, and a
// validator for If-Range); else it is the end, since nobody could tell two halves of two files from
// one.
//
// Thread:    ImportUrl from any thread.
// Ownership: the sink is shared until its last call.
// Errors:    kNotFound: the server does not have it. kPermissionDenied: it leads to where we do not
//            go. kFailedPrecondition: it is larger than allowed. kAborted: the server
//            fails, or its file was changed meanwhile. The store's: kResourceExhausted and others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/status.h"
#include "base/task.h"
#include "http/url.h"
#include "store/blob_store.h"

namespace blobd::transfer {

struct UrlImportOrder {
  http::Url url;
  bool is_private = false;
  uint64_t max_size = uint64_t{1} << 44;
};

// Called on the strand given.
class UrlImportSink {
 public:
  virtual ~UrlImportSink() = default;
  // At most every 100 ms. `total` as the server says; nullopt: it does not.
  virtual void OnReceived(uint64_t bytes, std::optional<uint64_t> total) = 0;
  // The last call, once: all has come and waits for Finish of the import, or why not.
  virtual void OnEnded(StatusOr<std::unique_ptr<store::Import>> import) = 0;
};

// An import under way. Destroying it, on any thread, cancels it: nothing remains, and the sink is
// not called any more, unless its call was under way.
class UrlImportJob {
 public:
  virtual ~UrlImportJob() = default;
};

class UrlImporter {
 public:
  virtual ~UrlImporter() = default;
  virtual std::unique_ptr<UrlImportJob> ImportUrl(const UrlImportOrder& order,
                                                  std::shared_ptr<Executor> strand,
                                                  std::shared_ptr<UrlImportSink> sink) = 0;
};

}  // namespace blobd::transfer
