#include "rpc/keep_added.h"

#include <memory>
#include <utility>

namespace blobd::rpc {
namespace {

struct Call {
  const ServiceContext& context;
  engine::Caller caller;
  UniqueFunction<void(Status)> done;
  engine::Keeper::AddId id = 0;

  engine::Keeper& keeper() const { return context.keeper; }

  // An add that failed protects nothing any longer.
  void End(const Status& status) {
    if (!status.ok()) keeper().EndAdd(id);
    done(status);
  }
};

}  // namespace

void KeepAdded(const ServiceContext& context, const engine::Caller& caller, std::vector<Hash> pins,
               UniqueFunction<void(Added added)> add, UniqueFunction<void(Status)> done) {
  auto call = std::make_shared<Call>(Call{context, caller, std::move(done)});
  const auto on_added = [call](StatusOr<std::vector<Kind>> kinds) {
    call->context.commands.PostAlways([call, kinds = std::move(kinds)] {
      if (!kinds.ok()) return call->End(kinds.status());
      call->keeper().KeepAdded(call->id, call->caller, *kinds,
                               [call](const Status& status) { call->End(status); });
    });
  };
  const bool posted = context.commands.Post(
      caller.is_admin(), [call, pins = std::move(pins), add = std::move(add), on_added]() mutable {
        call->id = call->keeper().BeginAdd(std::move(pins));
        add(on_added);
      });
  if (!posted) {
    call->done(TooManyCommands());
  }
}

}  // namespace blobd::rpc
