// transfers, transfer: the moving of bytes from providers, and the uploads to others.
#include <fmt/format.h>

#include <map>
#include <string>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/pages.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/table.h"

namespace blobd::client {
namespace {

// Who brought how much of one hash.
void PrintShares(const Style& style, const v1::ListTransfersResponse& all) {
  std::map<std::string, uint64_t> shares;
  uint64_t sum = 0;
  for (const v1::Transfer& transfer : all.transfers()) {
    shares[transfer.provider()] += transfer.verified_bytes();
    sum += transfer.verified_bytes();
  }
  if (shares.size() < 2 || sum == 0) return;
  Table table({{"PROVIDER", 16, 0}, "VERIFIED", "SHARE"});
  for (const auto& [provider, bytes] : shares) {
    const double percent = 100.0 * static_cast<double>(bytes) / static_cast<double>(sum);
    table.Add(
        {ShownProvider(style, provider), FormatSize(bytes), fmt::format("{:.1f} %", percent)});
  }
  PrintOut("\n");
  table.Print(style);
}

void PrintUploads(const Style& style, const v1::ListTransfersResponse& all) {
  if (!style.no_legend) PrintOut("\nuploads\n");
  Table table(
      {"NODE", {"ADDRESS", 12, 2}, {"STREAMS", 0, 3}, {"SENT", 0, 1}, "RATE", {"AGE", 0, 4}});
  for (const v1::Upload& upload : all.uploads()) {
    table.Add({ShownHash(style, upload.node_id()), upload.address(),
               std::to_string(upload.streams()), FormatSize(upload.sent_bytes()),
               upload.rate() > 0 ? FormatRate(upload.rate()) : "-",
               ShownAge(upload.since_unix_ms())});
  }
  table.Print(style);
}

using Transfers = google::protobuf::RepeatedPtrField<v1::Transfer>;

void PrintRows(const Style& style, const Transfers& transfers, const std::string& none) {
  Table table({"TRANSFER",
               "STATE",
               {"HASH", 0, 3},
               {"PROVIDER", 10, 1},
               {"VERIFIED", 0, 2},
               {"RATE", 0, 4},
               {"AGE", 0, 5},
               {"REASON", 12, 6}});
  for (const v1::Transfer& transfer : transfers) {
    if (style.quiet) {
      PrintOut("{}\n", transfer.transfer_id());
      continue;
    }
    table.Add({std::to_string(transfer.transfer_id()), std::string(StateName(transfer.state())),
               ShownHash(style, transfer.kind().hash()), ShownProvider(style, transfer.provider()),
               FormatSize(transfer.verified_bytes()),
               transfer.rate() > 0 ? FormatRate(transfer.rate()) : "-",
               ShownAge(transfer.started_unix_ms()), transfer.reason()});
  }
  if (!style.quiet) table.Print(style, none);
}

// What of one transfer a table has no room for.
void PrintTransfer(const Style& style, const v1::Transfer& transfer) {
  const bool ended = transfer.finished_unix_ms() != 0;
  SayHanging(style, 11, "Transfer   {}\n", transfer.transfer_id());
  SayHanging(style, 11, "State      {}{}\n", StateName(transfer.state()),
             transfer.reason().empty() ? "" : ": " + EscapeForTerminal(transfer.reason()));
  SayHanging(style, 11, "Content    {}{}\n",
             transfer.kind().hash().empty() ? "-" : transfer.kind().hash(),
             transfer.kind().format() == v1::BLOB_FORMAT_HASH_SEQ ? ", a collection" : "");
  SayHanging(style, 11, "Provider   {}\n", EscapeForTerminal(transfer.provider()));
  SayHanging(style, 11, "Received   {}\n", FormatSize(transfer.received_bytes()));
  SayHanging(style, 11, "Verified   {}{}{}\n", FormatSize(transfer.verified_bytes()),
             transfer.total_bytes() == 0 ? "" : " of " + FormatSize(transfer.total_bytes()),
             transfer.unproven_bytes() == 0
                 ? ""
                 : ", and " + FormatSize(transfer.unproven_bytes()) + " not yet");
  if (transfer.rate() > 0) SayHanging(style, 11, "Rate       {}\n", FormatRate(transfer.rate()));
  SayHanging(style, 11, "Started    {} ago\n", ShownAge(transfer.started_unix_ms()));
  if (ended) SayHanging(style, 11, "Ended      {} ago\n", ShownAge(transfer.finished_unix_ms()));
  if (transfer.intents() == 0) return;
  std::string ids;
  for (const uint64_t id : transfer.intent_ids()) ids += fmt::format(" {}", id);
  const uint32_t more = transfer.intents() - static_cast<uint32_t>(transfer.intent_ids_size());
  SayHanging(style, 11, "Intents   {}{}\n", ids,
             more == 0 ? "" : fmt::format(" and {} more", more));
}

Status WatchTransfers(Context& context, const std::string& hash, bool all) {
  v1::WatchTransfersRequest request;
  request.set_hash(hash);
  request.set_running_only(!all);
  Style style = context.style;
  return context.daemon->WatchTransfers(request, [&](const v1::WatchTransfersResponse& change) {
    if (style.is_json()) return PrintJsonLine(change);
    PrintRows(style, change.transfers(), "");
    // Of one that ended, that was the row before.
    if (all && !style.quiet) {
      for (const uint64_t id : change.gone_transfer_ids()) PrintOut("{}  forgotten\n", id);
    }
    FlushOutput();
    style.no_legend = true;
  });
}

}  // namespace

int RunTransfers(Context& context, const ListOptions& options) {
  std::string hash = options.hash;
  if (const Status resolved = hash.empty() ? OkStatus() : ResolveHash(context, &hash);
      !resolved.ok()) {
    return Fail(resolved);
  }
  // Who names a state, or asks for all, means those that have ended, too.
  const bool all_states = options.all || !options.states.empty();
  v1::ListTransfersRequest request;
  request.set_running_only(!all_states);
  request.set_hash(hash);
  request.set_provider(options.provider);
  request.set_newest_first(options.newest_first);
  for (const std::string& state : options.states) request.add_states(TransferStateOf(state));
  v1::ListTransfersResponse all;
  const Status status = CollectPages(
      request, options.limit,
      [&](const v1::ListTransfersRequest& r) {
        auto page = context.daemon->ListTransfers(r);
        if (page.ok()) all.mutable_uploads()->MergeFrom(page->uploads());
        return page;
      },
      [](v1::ListTransfersResponse* r) { return r->mutable_transfers(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
    return kExitDone;
  }
  PrintRows(context.style, all.transfers(), all_states ? "no transfers" : "no running transfers");
  SayIfMore(context.style, all.next_page_token());
  if (context.style.quiet) return kExitDone;
  if (!options.hash.empty()) PrintShares(context.style, all);
  if (!all.uploads().empty()) PrintUploads(context.style, all);
  return kExitDone;
}

int RunWatchTransfers(Context& context, const ListOptions& options) {
  std::string hash = options.hash;
  if (const Status resolved = hash.empty() ? OkStatus() : ResolveHash(context, &hash);
      !resolved.ok()) {
    return Fail(resolved);
  }
  const Status status = WatchTransfers(context, hash, options.all);
  return context.interrupt.happened() ? static_cast<int>(kExitInterrupted) : Fail(status);
}

int RunTransfer(Context& context, uint64_t id) {
  const auto transfer = context.daemon->GetTransfer(id);
  if (!transfer.ok()) return Fail(transfer.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *transfer);
  } else if (context.style.quiet) {
    PrintOut("{}\n", transfer->transfer_id());
  } else {
    PrintTransfer(context.style, *transfer);
  }
  return kExitDone;
}

int RunCancelTransfers(Context& context, const std::vector<uint64_t>& ids) {
  for (const uint64_t id : ids) {
    const auto response = context.daemon->CancelTransfer(id);
    if (!response.ok()) return Fail(response.status());
    if (context.style.is_json()) {
      PrintJsonLine(*response);
    } else if (!context.style.quiet && response->cancelled()) {
      Say(context.style,
          "transfer {} stopped; its part goes to another provider, or here again later\n", id);
    } else if (!context.style.quiet) {
      Say(context.style, "transfer {} had ended already; nothing to stop\n", id);
    }
  }
  return kExitDone;
}

}  // namespace blobd::client
