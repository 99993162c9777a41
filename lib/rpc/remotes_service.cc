#include "rpc/remotes_service.h"

#include <map>
#include <utility>

#include "rpc/convert.h"

namespace blobd::rpc {

grpc::ServerUnaryReactor* RemotesService::List(grpc::CallbackServerContext* call,
                                               const v1::ListRemotesRequest* request,
                                               v1::ListRemotesResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.Admit(*call, reactor, kListWeight); !caller.ok())
    return Refuse(reactor, caller.status());
  std::optional<NodeId> after;
  if (!request->page_token().empty()) {
    after = NodeId::FromHexText(request->page_token());
    if (!after) {
      return Refuse(reactor, InvalidArgument("page_token: \"{}\" is not one that this list gave",
                                             request->page_token().substr(0, 80)));
    }
  }
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, after, limit] {
    context_.uploads.List(
        [this, reactor, response, after, limit](const engine::UploadsView& uploads) {
          std::map<NodeId, const engine::UploadView*> served;
          std::vector<NodeId> nodes;
          for (const engine::UploadView& upload : uploads.nodes) {
            served[upload.info.node] = &upload;
            nodes.push_back(upload.info.node);
          }
          const auto views = context_.engine.ListRemotes(after, limit, nodes);
          for (const engine::RemoteView& view : views) {
            v1::Remote* out = response->add_remotes();
            Fill(view, out);
            const auto it = served.find(view.node);
            if (it != served.end()) Fill(*it->second, out->mutable_upload());
          }
          if (views.size() == limit) response->set_next_page_token(views.back().node.ToHex());
          reactor->End(OkStatus());
        });
  });
  return reactor;
}

grpc::ServerUnaryReactor* RemotesService::AddAddresses(grpc::CallbackServerContext* call,
                                                       const v1::AddAddressesRequest* request,
                                                       v1::AddAddressesResponse* response) {
  auto* reactor = new UnaryReactor();
  if (const auto caller = context_.AdminOf(*call); !caller.ok())
    return Refuse(reactor, caller.status());
  const auto node = ToNodeId(request->node().node_id(), "node.node_id");
  if (!node.ok()) return Refuse(reactor, node.status());
  auto addresses = ToAddresses(request->node().addresses(), "node.addresses");
  if (!addresses.ok()) return Refuse(reactor, addresses.status());
  if (addresses->empty()) {
    return Refuse(reactor, InvalidArgument("node.addresses: none is given"));
  }
  context_.OnControl(reactor, [this, reactor, response, node = *node,
                               addresses = *std::move(addresses)] {
    context_.engine.AddAddresses(node, addresses, [reactor, response](StatusOr<uint32_t> added) {
      if (added.ok()) response->set_added(*added);
      reactor->End(added.status());
    });
  });
  return reactor;
}

}  // namespace blobd::rpc
