// remotes: the nodes that the daemon knows.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/time.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/pages.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/table.h"
#include "client/words.h"

namespace blobd::client {
namespace {

std::string StateOf(const v1::Remote& remote) {
  std::string state(StateName(remote.state()));
  if (remote.has_upload()) state = state == "down" ? "served" : state + ", served";
  if (remote.banned_until_unix_ms() != 0) state += ", banned";
  return state;
}

// The address in use, or the best one with how many more there are; all of them if `full`.
std::string AddressesOf(const Style& style, const v1::Remote& remote) {
  if (!style.full && !remote.connected_address().empty()) return remote.connected_address();
  if (remote.addresses().empty()) return "-";
  std::string text;
  for (const v1::RemoteAddress& address : remote.addresses()) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", address.address(), address.source());
    if (style.full || remote.addresses_size() == 1) continue;
    return text + fmt::format(" +{}", remote.addresses_size() - 1);
  }
  return text;
}

std::string RateOf(double rate) { return rate > 0 ? FormatRate(rate) : "-"; }

// What is worth knowing about a node that does not work.
std::string TroubleOf(const v1::Remote& remote) {
  if (remote.banned_until_unix_ms() != 0) {
    const Duration left = WallTime{remote.banned_until_unix_ms()} - SystemClock().WallNow();
    return fmt::format("banned for {}: {}", FormatDuration(std::max(Duration::zero(), left)),
                       remote.ban_reason());
  }
  if (remote.last_failure_unix_ms() <= remote.last_success_unix_ms()) return "";
  return fmt::format("{} ago: {}", ShownAge(remote.last_failure_unix_ms()), remote.last_failure());
}

std::string_view UsageOf(v1::AddressUsage usage) {
  switch (static_cast<int>(usage)) {
    case v1::ADDRESS_USAGE_KNOWN:
      return "known";
    case v1::ADDRESS_USAGE_ACTIVE:
      return "active";
    case v1::ADDRESS_USAGE_FAILED:
      return "failed";
    case v1::ADDRESS_USAGE_OURS:
      return "ours";
    default:
      return "unknown";
  }
}

std::string RttOf(int64_t rtt_us) {
  return rtt_us > 0 ? fmt::format("{:.1f} ms", static_cast<double>(rtt_us) / 1000) : "-";
}

void PrintRemote(const Style& style, const v1::Remote& remote) {
  std::string state = StateOf(remote);
  if (!remote.connected_address().empty()) state += " at " + remote.connected_address();
  if (remote.looking_up()) state += ", being looked up";
  SayHanging(style, 11, "Node       {}\n", remote.node_id());
  SayHanging(style, 11, "State      {}\n", state);
  if (remote.last_success_unix_ms() != 0)
    SayHanging(style, 11, "Contact    {} ago\n", ShownAge(remote.last_success_unix_ms()));
  if (const std::string trouble = TroubleOf(remote); !trouble.empty())
    SayHanging(style, 11, "Trouble    {}\n", EscapeForTerminal(trouble));
  if (remote.transfer_ids_size() > 0)
    SayHanging(style, 11, "Gives      {}, {}\n",
               Counted(static_cast<uint64_t>(remote.transfer_ids_size()), "transfer"),
               FormatRate(remote.download_rate()));
  if (remote.has_upload())
    SayHanging(style, 11, "Gets       {}\n", FormatRate(remote.upload().rate()));
  if (!remote.paths().empty()) {
    Table paths({{"PATH", 16, 0}, "RTT", {"CONNECTIONS", 0, 2}, {"SELECTED", 10, 1}});
    for (const v1::RemotePath& path : remote.paths()) {
      paths.Add({path.address(), path.dark() ? "dark" : RttOf(path.rtt_us()),
                 std::to_string(path.connections()), path.selected() ? path.because() : "-"});
    }
    paths.Print(style);
  }
  Table table({{"ADDRESS", 16, 0},
               {"SOURCE", 0, 2},
               {"USAGE", 0, 1},
               {"LAST WORKED", 0, 4},
               {"RTT", 0, 3},
               {"TROUBLE", 12, 5}});
  for (const v1::RemoteAddress& address : remote.addresses()) {
    table.Add({address.address(), address.source(), std::string(UsageOf(address.usage())),
               address.last_worked_unix_ms() != 0 ? ShownAge(address.last_worked_unix_ms()) : "-",
               RttOf(address.rtt_us()), address.last_failure()});
  }
  table.Print(style);
}

void PrintRows(const Style& style, const google::protobuf::RepeatedPtrField<v1::Remote>& remotes,
               const std::string& none) {
  Table table({"NODE",
               {"STATE", 10, 0},
               {"ADDRESSES", 12, 1},
               {"LAST CONTACT", 0, 3},
               {"DOWN", 0, 4},
               {"UP", 0, 5},
               {"TROUBLE", 12, 2}});
  for (const v1::Remote& remote : remotes) {
    if (style.quiet) {
      PrintOut("{}\n", remote.node_id());
      continue;
    }
    table.Add({ShownHash(style, remote.node_id()), StateOf(remote), AddressesOf(style, remote),
               ShownAge(remote.last_success_unix_ms()), RateOf(remote.download_rate()),
               RateOf(remote.upload().rate()), TroubleOf(remote)});
  }
  if (!style.quiet) table.Print(style, none);
}

}  // namespace

int RunRemote(Context& context, const std::string& node) {
  v1::GetRemoteRequest request;
  request.set_node_id(node);
  const auto response = context.daemon->GetRemote(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (context.style.quiet) {
    PrintOut("{}\n", response->remote().node_id());
  } else {
    PrintRemote(context.style, response->remote());
  }
  return kExitDone;
}

int RunRemotes(Context& context, const ListOptions& options) {
  v1::ListRemotesRequest request;
  for (const std::string& state : options.states) request.add_states(RemoteStateOf(state));
  request.set_banned_only(options.banned);
  v1::ListRemotesResponse all;
  const Status status = CollectPages(
      request, options.limit,
      [&](const v1::ListRemotesRequest& r) { return context.daemon->ListRemotes(r); },
      [](v1::ListRemotesResponse* r) { return r->mutable_remotes(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
  } else {
    const bool is_all = options.states.empty() && !options.banned;
    PrintRows(context.style, all.remotes(), is_all ? "no nodes are known" : "no such nodes");
    SayIfMore(context.style, all.next_page_token());
  }
  return kExitDone;
}

int RunWatchRemotes(Context& context, const std::string& node) {
  v1::WatchRemotesRequest request;
  request.set_node_id(node);
  Style style = context.style;
  const Status status =
      context.daemon->WatchRemotes(request, [&](const v1::WatchRemotesResponse& change) {
        if (style.is_json()) return PrintJsonLine(change);
        if (node.empty()) {
          PrintRows(style, change.remotes(), "");
        } else if (!change.remotes().empty()) {
          PrintRemote(style, change.remotes(0));
        }
        for (const std::string& gone : change.gone_node_ids()) {
          Say(style, "{}  nothing is known of it any more\n", ShownHash(style, gone));
        }
        FlushOutput();
        style.no_legend = true;
      });
  return context.interrupt.happened() ? static_cast<int>(kExitInterrupted) : Fail(status);
}

int RunAddRemote(Context& context, const std::string& node,
                 const std::vector<std::string>& addresses) {
  v1::AddAddressesRequest request;
  request.mutable_node()->set_node_id(node);
  for (const std::string& address : addresses) request.mutable_node()->add_addresses(address);
  const auto response = context.daemon->AddAddresses(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    Say(context.style, "{} of {} addresses are new\n", response->added(), addresses.size());
  }
  return kExitDone;
}

}  // namespace blobd::client
