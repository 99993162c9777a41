// tag, tags: names for content, which keep it.
#include <fmt/format.h>

#include <cstdio>

#include "base/utf8.h"
#include "client/context.h"
#include "client/pages.h"
#include "client/sentence.h"
#include "client/table.h"

namespace blobd::client {
namespace {

int DeleteTag(Context& context, const TagOptions& options) {
  v1::DeleteTagRequest request;
  request.set_name(options.name);
  if (!options.expected.empty()) request.set_expected_hash(KindOf(options.expected).hash());
  const auto response = context.daemon->DeleteTag(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    Say(context.style, "tag {} is gone; it named {}\n", EscapeForTerminal(options.name),
        NameOf(response->tag().kind()));
  }
  return kExitDone;
}

// What a person named, by a hash, a ticket or another tag. A bare hash may be that of a collection.
StatusOr<v1::Kind> WantedKind(Context& context, const TagOptions& options) {
  std::string wanted = options.wanted;
  BLOBD_RETURN_IF_ERROR(ResolveWanted(context, &wanted));
  v1::Kind kind = KindOf(wanted);
  if (!IsHashSyntax(wanted)) {
    BLOBD_ASSIGN_OR_RETURN(const v1::ParseTicketResponse ticket,
                           context.daemon->ParseTicket(wanted));
    if (!ticket.has_kind()) return InvalidArgument("the ticket names a node, but no content");
    kind = ticket.kind();
  }
  if (options.format == "raw") {
    kind.set_format(v1::BLOB_FORMAT_RAW);
  } else if (options.format == "collection" || IsKnownCollection(*context.daemon, kind.hash())) {
    kind.set_format(v1::BLOB_FORMAT_HASH_SEQ);
  }
  return kind;
}

}  // namespace

int RunTag(Context& context, const TagOptions& options) {
  if (options.remove) return DeleteTag(context, options);
  if (options.wanted.empty()) {
    return Fail(InvalidArgument("say what the tag shall name, or --delete"));
  }
  const auto kind = WantedKind(context, options);
  if (!kind.ok()) return Fail(kind.status());
  v1::SetTagRequest request;
  request.set_name(options.name);
  *request.mutable_kind() = *kind;
  request.set_is_private(options.is_private);
  if (options.only_new) request.set_expected_hash("");
  if (!options.expected.empty()) request.set_expected_hash(KindOf(options.expected).hash());
  const auto response = context.daemon->SetTag(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (context.style.quiet) {
    PrintOut("{}\n", NameOf(response->tag().kind()));
  } else {
    const std::string& before = response->previous_hash();
    Say(context.style, "{} names {}{}\n", EscapeForTerminal(options.name),
        NameOf(response->tag().kind()), before.empty() ? "" : ", before " + before);
  }
  return kExitDone;
}

int RunTags(Context& context, const std::string& prefix, const ListOptions& options) {
  v1::ListTagsRequest request;
  request.set_prefix(prefix);
  v1::ListTagsResponse all;
  const Status status = CollectPages(
      request, options.limit,
      [&](const v1::ListTagsRequest& r) { return context.daemon->ListTags(r); },
      [](v1::ListTagsResponse* r) { return r->mutable_tags(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
    return kExitDone;
  }
  Table table({{"NAME", 12, 0},
               "HASH",
               {"FORMAT", 0, 2},
               {"OWNER", 0, 3},
               {"PRIVATE", 0, 4},
               {"MOVED", 0, 1}});
  for (const v1::Tag& tag : all.tags()) {
    if (context.style.quiet) {
      PrintOut("{}\n", EscapeForTerminal(tag.name()));
      continue;
    }
    const bool is_list = tag.kind().format() == v1::BLOB_FORMAT_HASH_SEQ;
    table.Add({tag.name(), tag.has_kind() ? ShownHash(context.style, tag.kind().hash()) : "-",
               !tag.has_kind() ? "-"
               : is_list       ? "hash_seq"
                               : "raw",
               std::to_string(tag.owner_uid()), tag.is_private() ? "yes" : "-",
               ShownAge(tag.moved_unix_ms())});
  }
  if (!context.style.quiet) table.Print(context.style, "no tags");
  SayIfMore(context.style, all.next_page_token());
  return kExitDone;
}

}  // namespace blobd::client
