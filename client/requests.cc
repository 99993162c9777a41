// requests: what satisfies the intents, each content once.
#include <fmt/format.h>

#include <string>

#include "base/units.h"
#include "client/context.h"
#include "client/pages.h"
#include "client/states.h"
#include "client/table.h"

namespace blobd::client {
namespace {

void PrintRequests(const Style& style, const v1::ListRequestsResponse& all,
                   const std::string& none) {
  Table table({"HASH",
               {"FORMAT", 0, 6},
               "STATE",
               "PROGRESS",
               {"SIZE", 0, 4},
               {"RATE", 0, 2},
               {"TRANSFERS", 0, 5},
               {"INTENTS", 0, 3},
               {"WAITS FOR", 12, 1}});
  for (const v1::Request& request : all.requests()) {
    const uint64_t total =
        request.total_bytes() != 0 ? request.total_bytes() : request.claimed_bytes();
    table.Add({ShownHash(style, request.kind().hash()),
               request.kind().format() == v1::BLOB_FORMAT_HASH_SEQ ? "hash_seq" : "raw",
               std::string(StateName(request.state())),
               ShownPercent(request.verified_bytes() + request.unproven_bytes(), total),
               total == 0 ? "-" : FormatSize(total),
               request.rate() > 0 ? FormatRate(request.rate()) : "-",
               std::to_string(request.transfer_ids_size()), std::to_string(request.intents()),
               request.waits_for().empty() ? "-" : request.waits_for()});
  }
  table.Print(style, none);
}

}  // namespace

int RunRequests(Context& context, const ListOptions& options) {
  std::string hash = options.hash;
  if (const Status resolved = hash.empty() ? OkStatus() : ResolveHash(context, &hash);
      !resolved.ok()) {
    return Fail(resolved);
  }
  v1::ListRequestsRequest request;
  request.set_hash(hash);
  for (const std::string& state : options.states) request.add_states(IntentStateOf(state));
  v1::ListRequestsResponse all;
  const Status status = CollectPages(
      request, options.limit,
      [&](const v1::ListRequestsRequest& r) { return context.daemon->ListRequests(r); },
      [](v1::ListRequestsResponse* r) { return r->mutable_requests(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
  } else if (context.style.quiet) {
    for (const v1::Request& each : all.requests()) PrintOut("{}\n", each.kind().hash());
  } else {
    PrintRequests(context.style, all,
                  options.states.empty() && hash.empty() ? "no unfinished requests"
                                                         : "no such unfinished requests");
    SayIfMore(context.style, all.next_page_token());
  }
  return kExitDone;
}

}  // namespace blobd::client
