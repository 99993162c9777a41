// UrlImport: one import from a URL (url_importer.h): what its fetch brings goes into an import of
// the store; what to do when a fetch ends early is decided here.
//
// Thread:    its strand only. The port is called from there.
// Ownership: shared; the network's side and the store's answers hold it.
#pragma once

#include <memory>
#include <optional>

#include "base/time.h"
#include "transfer/mirror_port.h"
#include "transfer/url_importer.h"

namespace blobd::transfer {

// What it asks of the network's side. Any thread.
class UrlImportPort {
 public:
  virtual ~UrlImportPort() = default;
  // As MirrorPort's, after `delay`.
  virtual void Open(uint64_t fetch, const http::Ask& ask, Duration delay) = 0;
  virtual void Consumed(uint64_t fetch, uint64_t bytes) = 0;
  virtual void Stop(uint64_t fetch) = 0;
  // Nothing more is asked for.
  virtual void Done() = 0;
};

class UrlImport final : public MirrorReceiver, public std::enable_shared_from_this<UrlImport> {
 public:
  // Tries in a row that brought nothing, the first included.
  static constexpr int kTries = 10;

  struct Deps {
    store::BlobStore& store;
    std::shared_ptr<Executor> strand;
    std::shared_ptr<UrlImportPort> port;
    std::shared_ptr<UrlImportSink> sink;
    const Clock& clock;
  };

  UrlImport(Deps deps, const UrlImportOrder& order)
      : deps_(std::move(deps)), is_private_(order.is_private), max_size_(order.max_size) {}

  void Start();
  // The sink is not called any more, and nothing remains.
  void Stop();

  // MirrorReceiver
  void OnOpened(uint64_t /*fetch*/) override {}
  void OnContent(uint64_t fetch, const http::Content& content) override;
  void OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) override;
  void OnFetchEnd(uint64_t fetch, const http::FetchEnd& end) override;

 private:
  void Open(Duration delay);
  void OpenWhole();
  bool MayGoOn(const http::FetchEnd& end) const;
  Duration WaitBeforeNext(const http::FetchEnd& end) const;
  void End(StatusOr<std::unique_ptr<store::Import>> import);
  void Report();

  const Deps deps_;
  const bool is_private_;
  const uint64_t max_size_;
  std::unique_ptr<store::Import> import_;
  std::optional<http::Entity> entity_;
  bool is_whole_ = false;  // it is asked for in one piece, without ranges
  uint64_t fetch_ = 0;     // the one that runs
  uint64_t received_ = 0;
  int fruitless_ = 0;  // fetches in a row
  bool over_ = false;
  Instant last_report_;
};

}  // namespace blobd::transfer
