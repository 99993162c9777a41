// HttpNetwork: the real MirrorNetwork and UrlImporter, over an http::Client on the network loop.
//
// Thread:    made and destroyed on any thread while neither loop turns; its MirrorNetwork calls
//            come from the control loop and are posted to the network loop.
// Ownership: the loops, the store, the pool and the clock outlive it.
// Memory:    a MirrorBlob for each blob that a transfer gets, small children of lists excepted, and
//            kMostIdle more for blobs that are wanted still, each for kIdleFor at most; what they
//            remember of bytes without proof is bounded for all together.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/task.h"
#include "http/client.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "store/blob_store.h"
#include "store/unproven_logs.h"
#include "transfer/inventory.h"
#include "transfer/mirror_get.h"
#include "transfer/mirror_network.h"
#include "transfer/throttle.h"
#include "transfer/url_importer.h"

namespace blobd::transfer {

struct HttpNetworkOptions {
  http::ClientOptions client;
  SizeLimits limits = {};
  uint32_t lanes = 8;  // fetches of one blob at once
  // Of all blobs together (mirror_blob.h): pairs of 32 GiB, and values of 128 GiB.
  uint64_t pairs_memory = uint64_t{128} << 20;
  uint64_t values_memory = uint64_t{256} << 20;
};

class HttpNetwork final : public MirrorNetwork, public UrlImporter {
 public:
  struct Deps {
    loop::Loop& network_loop;
    Executor& control;
    loop::WorkerPool& workers;
    store::BlobStore& store;
    const Clock& clock;
    store::UnprovenLogs* logs = nullptr;  // null: nothing without proof outlives the process
    Throttle* throttle = nullptr;         // of downloads, on the network loop; outlives it
  };
  static constexpr size_t kMostIdle = 64;
  static constexpr Duration kIdleFor = minutes(15);
  static constexpr uint32_t kMostLanes = 256;  // however many connections there may be

  // Returns kInvalidArgument for a configuration that cannot work.
  static StatusOr<std::unique_ptr<HttpNetwork>> Create(Deps deps, HttpNetworkOptions options);
  ~HttpNetwork() override;

  void SetSink(MirrorNetworkSink* sink) override;
  void StartGet(TransferId id, const std::string& url, const GetOrder& order) override;
  void LowerLimit(TransferId id, uint64_t boundary) override;
  void StopGet(TransferId id) override;
  void SetConnections(uint32_t connections) override;
  void Forget(const Hash& hash) override;

  // UrlImporter: any thread.
  std::unique_ptr<UrlImportJob> ImportUrl(const UrlImportOrder& order,
                                          std::shared_ptr<Executor> strand,
                                          std::shared_ptr<UrlImportSink> sink) override;

 private:
  class Core;  // lives on the network loop
  HttpNetwork(loop::Loop& network_loop, std::shared_ptr<Core> core);

  loop::Loop& network_loop_;
  std::shared_ptr<Core> core_;
  std::atomic<uint64_t> imports_{0};  // so many were begun
};

}  // namespace blobd::transfer
