// UrlImportCall: one ImportUrl call from its first byte to the lease of what came.
//
//   control loop: start --> strand: bytes --all here--> KeepAdded (keep_added.h) --> answer
//
// Thread:    Start and Cancel on the control loop, the sink's calls on the strand.
// Ownership: shared: the importer holds it while bytes come, then what it waits for does.
#pragma once

#include <memory>

#include "blobd/v1/blobs.pb.h"
#include "rpc/report_reactor.h"
#include "transfer/url_importer.h"

namespace blobd::rpc {

class UrlImportCall final : public transfer::UrlImportSink,
                            public engine::KeeperJob,
                            public std::enable_shared_from_this<UrlImportCall> {
 public:
  using CallReport = Report<v1::ImportUrlResponse>;

  UrlImportCall(const ServiceContext& context, const engine::Caller& caller,
                std::shared_ptr<CallReport> report)
      : context_(context),
        caller_(caller),
        report_(std::move(report)),
        strand_(context.workers.MakeStrand()) {}

  // REQUIRES: the context has an importer
  void Start(const transfer::UrlImportOrder& order);

  // engine::KeeperJob: the caller is gone.
  void Cancel() override { job_.reset(); }
  // transfer::UrlImportSink
  void OnReceived(uint64_t bytes, std::optional<uint64_t> total) override;
  void OnEnded(StatusOr<std::unique_ptr<store::Import>> import) override;

 private:
  void Finish(Added added);

  const ServiceContext& context_;
  const engine::Caller caller_;
  const std::shared_ptr<CallReport> report_;
  const std::shared_ptr<Executor> strand_;
  std::unique_ptr<transfer::UrlImportJob> job_;  // the control loop's
  std::unique_ptr<store::Import> import_;        // the strand's
};

// kInvalidArgument names the field.
StatusOr<transfer::UrlImportOrder> ToUrlImportOrder(const v1::ImportUrlRequest& request);

}  // namespace blobd::rpc
