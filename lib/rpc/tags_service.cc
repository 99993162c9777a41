#include "rpc/tags_service.h"

#include <algorithm>
#include <utility>

#include "base/error_reason.h"
#include "base/utf8.h"
#include "rpc/convert.h"
#include "rpc/page_token.h"
#include "wire/text.h"
#include "wire/ticket.h"

namespace blobd::rpc {
namespace {

bool ReadsAsContent(const std::string& name) {
  if (wire::ParseHash(name) || wire::ParseTicket(name).ok()) return true;
  return name.front() == 's' && wire::ParseHash(name.substr(1));
}

// `text` is the hash that the caller expects; empty: no tag.
StatusOr<std::optional<Hash>> ToExpected(const std::string& text) {
  if (text.empty()) return std::optional<Hash>();
  BLOBD_ASSIGN_OR_RETURN(const Hash hash, ToHash(text, "expected_hash"));
  return std::optional<Hash>(hash);
}

void Fill(const registry::TagRow& row, const engine::Caller& caller, v1::Tag* out) {
  out->set_name(row.name);
  if (!row.is_private || caller.may_see(row.owner_uid)) rpc::Fill(row.kind, out->mutable_kind());
  out->set_owner_uid(row.owner_uid);
  out->set_is_private(row.is_private);
  out->set_created_unix_ms(row.created.unix_ms);
  out->set_moved_unix_ms(row.changed.unix_ms);
}

}  // namespace

Status CheckTagName(const std::string& name) {
  if (name.empty() || name.size() > registry::kMaxTagName) {
    return FieldError(name.empty() ? Reason::kMissingField : Reason::kTooLong, "name",
                      "it has {} bytes; 1 to {} are taken", name.size(), registry::kMaxTagName);
  }
  if (!IsUtf8(name)) return FieldError(Reason::kInvalidField, "name", "it is not UTF-8");
  if (!IsPlainText(name)) {
    return FieldError(Reason::kInvalidField, "name",
                      "it has characters that control, reorder or show nothing");
  }
  if (ReadsAsContent(name)) {
    return FieldError(Reason::kInvalidField, "name",
                      "\"{}\" would be taken for a hash or a ticket everywhere", name);
  }
  return OkStatus();
}

grpc::ServerUnaryReactor* TagsService::Set(grpc::CallbackServerContext* call,
                                           const v1::SetTagRequest* request,
                                           v1::SetTagResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kTagsSet, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (const Status status = CheckTagName(request->name()); !status.ok())
    return Refuse(reactor, status);
  const auto kind = ToKind(request->kind(), "kind");
  if (!kind.ok()) return Refuse(reactor, kind.status());
  engine::TagChange change{request->name(), *kind, request->is_private(), {}};
  if (request->has_expected_hash()) {
    const auto expected = ToExpected(request->expected_hash());
    if (!expected.ok()) return Refuse(reactor, expected.status());
    change.expected = *expected;
  }
  context_.OnControl(
      reactor, [this, reactor, response, caller = *caller, change = std::move(change)]() mutable {
        context_.keeper.ChangeTag(
            caller, std::move(change),
            [reactor, response, caller](const StatusOr<engine::TagChanged>& changed) {
              if (changed.ok()) {
                Fill(changed->tag, caller, response->mutable_tag());
                if (changed->previous_hash)
                  response->set_previous_hash(changed->previous_hash->ToHex());
              }
              reactor->End(changed.status());
            });
      });
  return reactor;
}

grpc::ServerUnaryReactor* TagsService::Delete(grpc::CallbackServerContext* call,
                                              const v1::DeleteTagRequest* request,
                                              v1::DeleteTagResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Authorize(*call, Method::kTagsDelete, reactor);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  engine::TagChange change{request->name(), {}, false, {}};
  if (request->has_expected_hash()) {
    const auto expected = ToExpected(request->expected_hash());
    if (!expected.ok()) return Refuse(reactor, expected.status());
    change.expected = *expected;
  }
  context_.OnControl(
      reactor, [this, reactor, response, caller = *caller, change = std::move(change)]() mutable {
        context_.keeper.ChangeTag(
            caller, std::move(change),
            [reactor, response, caller](const StatusOr<engine::TagChanged>& changed) {
              if (changed.ok()) Fill(changed->tag, caller, response->mutable_tag());
              reactor->End(changed.status());
            });
      });
  return reactor;
}

grpc::ServerUnaryReactor* TagsService::List(grpc::CallbackServerContext* call,
                                            const v1::ListTagsRequest* request,
                                            v1::ListTagsResponse* response) {
  auto* reactor = new UnaryReactor();
  const auto caller = context_.Admit(*call, Method::kTagsList, reactor, kListWeight);
  if (!caller.ok()) return Refuse(reactor, caller.status());
  if (request->has_name()) {
    context_.OnControl(
        reactor, [this, reactor, response, caller = *caller, name = request->name()] {
          context_.keeper.FindTag(name, [reactor, response, caller](const auto& found) {
            if (found.ok() && found->has_value()) Fill(**found, caller, response->add_tags());
            reactor->End(found.status());
          });
        });
    return reactor;
  }
  auto after = TextFromPageToken(request->page_token(), kTagList);
  if (!after.ok()) return Refuse(reactor, after.status());
  if (after->size() > registry::kMaxTagName)
    return Refuse(reactor, BadPageToken(request->page_token()));
  registry::TagFilter filter;
  filter.prefix = request->prefix();
  const uint32_t limit = PageSize(request->page_size());
  context_.OnControl(reactor, [this, reactor, response, caller = *caller, limit,
                               filter = std::move(filter), after = *std::move(after)] {
    context_.keeper.ListTags(
        filter, after, limit,
        [reactor, response, caller, limit](const StatusOr<std::vector<registry::TagRow>>& rows) {
          if (rows.ok()) {
            for (const registry::TagRow& row : *rows) Fill(row, caller, response->add_tags());
            if (rows->size() == limit)
              response->set_next_page_token(PageTokenOfText(rows->back().name, kTagList));
          }
          reactor->End(rows.status());
        });
  });
  return reactor;
}

}  // namespace blobd::rpc
