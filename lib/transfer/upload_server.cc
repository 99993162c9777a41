#include "transfer/upload_server.h"

#include <utility>

#include "transfer/upload_core.h"

namespace blobd::transfer {

UploadServer::UploadServer(Deps deps, std::shared_ptr<quic::Endpoint> endpoint,
                           ServeOptions options, UploadSink* sink)
    : deps_(deps),
      core_(std::make_shared<UploadCore>(
          UploadCore::Deps{deps.network_loop, deps.network_loop, deps.control,
                           [&workers = deps.workers] { return workers.MakeStrand(); }, deps.store,
                           deps.clock, deps.throttle, deps.on_first_node},
          std::move(endpoint), std::move(options), sink)) {
  core_->Start();
}

UploadServer::~UploadServer() { core_->Shutdown(); }

void UploadServer::List(UniqueFunction<void(Snapshot)> done) {
  deps_.network_loop.Post(
      [core = core_, &control = deps_.control, done = std::move(done)]() mutable {
        control.Post([snapshot = core->Take(), done = std::move(done)]() mutable {
          done(std::move(snapshot));
        });
      });
}

void UploadServer::SetPolicy(ServeMode mode, std::vector<NodeId> listed) {
  deps_.network_loop.Post([core = core_, mode, listed = std::move(listed)]() mutable {
    core->SetPolicy(mode, std::move(listed));
  });
}

void UploadServer::Disconnect(const NodeId& node, UniqueFunction<void(bool)> done) {
  deps_.network_loop.Post(
      [core = core_, &control = deps_.control, node, done = std::move(done)]() mutable {
        control.Post([was_connected = core->Disconnect(node), done = std::move(done)]() mutable {
          done(was_connected);
        });
      });
}

void UploadServer::Drain(Duration grace, UniqueFunction<void()> done) {
  deps_.network_loop.Post([core = core_, grace, done = std::move(done)]() mutable {
    core->Drain(grace, std::move(done));
  });
}

}  // namespace blobd::transfer
