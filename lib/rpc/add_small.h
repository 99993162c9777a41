// SmallAdd: one AddSmall call. Its blobs are taken in beside each other, so that what the store and
// the registry write for them goes into few commits.
//
// Thread:    begun on gRPC's, works on a strand of the workers; `done` as KeepAdded says.
// Ownership: kept alive by its own steps. Request and response are used until `done` is called.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "blobd/v1/blobs.pb.h"
#include "rpc/context.h"
#include "rpc/keep_added.h"

namespace blobd::rpc {

// What the request is about, checked.
Status CheckAddSmall(const v1::AddSmallRequest& request);

class SmallAdd : public std::enable_shared_from_this<SmallAdd> {
 public:
  SmallAdd(const ServiceContext& context, const v1::AddSmallRequest& request,
           v1::AddSmallResponse* response);
  void Start(const engine::Caller& caller, UniqueFunction<void(Status)> done);

 private:
  void TakeIn();
  Status FinishOne(size_t i, std::shared_ptr<store::Import> import);
  void OnTakenIn(size_t i, const StatusOr<store::Import::Result>& result);

  const ServiceContext& context_;
  const v1::AddSmallRequest& request_;
  v1::AddSmallResponse* const response_;
  const std::shared_ptr<Executor> strand_;
  Added added_;
  std::vector<Kind> kinds_;
  size_t left_ = 0;  // blobs of which the store has not answered
  Status worst_;
};

}  // namespace blobd::rpc
