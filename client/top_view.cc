#include "client/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <sstream>
#include <utility>

#include "base/units.h"
#include "base/utf8.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/table.h"
#include "client/text_width.h"
#include "client/words.h"

namespace blobd::client {
namespace {

// Of the rows that a screen has room for, nodes have at most this part.
constexpr size_t kRemotesPart = 3;
constexpr size_t kPage = 10;

// What is not known.
constexpr char kUnknown[] = "-";

template <typename State>
std::string ShownState(State state) {
  return static_cast<int>(state) == 0 ? kUnknown : std::string(StateName(state));
}

std::string RateOf(double rate) { return rate > 0 ? FormatRate(rate) : "-"; }

double PartOf(const v1::Transfer& transfer) {
  if (transfer.total_bytes() == 0) return 0;
  return static_cast<double>(transfer.verified_bytes() + transfer.unproven_bytes()) /
         static_cast<double>(transfer.total_bytes());
}

double RateOf(const v1::Remote& remote) { return remote.download_rate() + remote.upload().rate(); }

// In the order that is asked for, and by id where that says nothing.
std::vector<const v1::Transfer*> Sorted(const std::vector<v1::Transfer>& transfers, TopSort sort) {
  std::vector<const v1::Transfer*> sorted;
  for (const v1::Transfer& transfer : transfers) sorted.push_back(&transfer);
  const auto by_id = [](const v1::Transfer* a, const v1::Transfer* b) {
    return a->transfer_id() < b->transfer_id();
  };
  std::sort(sorted.begin(), sorted.end(), by_id);
  const auto before = [sort](const v1::Transfer* a, const v1::Transfer* b) {
    switch (sort) {
      case TopSort::kRate:
        return a->rate() > b->rate();
      case TopSort::kProgress:
        return PartOf(*a) > PartOf(*b);
      case TopSort::kProvider:
        return a->provider() < b->provider();
      case TopSort::kAge:
        return a->started_unix_ms() < b->started_unix_ms();
    }
    return false;
  };
  std::stable_sort(sorted.begin(), sorted.end(), before);
  return sorted;
}

std::string_view NameOf(TopSort sort) {
  switch (sort) {
    case TopSort::kRate:
      return "rate";
    case TopSort::kProgress:
      return "progress";
    case TopSort::kProvider:
      return "provider";
    case TopSort::kAge:
      return "age";
  }
  return "";
}

// The head and those rows from `first` on, at most `count`.
std::string TransfersText(const std::vector<const v1::Transfer*>& transfers, size_t first,
                          size_t count, bool is_known, const Style& style) {
  Table table({{"TRANSFER", 0, 5},
               "RATE",
               "PROGRESS",
               {"SIZE", 0, 3},
               {"STATE", 0, 4},
               {"HASH", 0, 2},
               {"PROVIDER", 10, 1},
               {"AGE", 0, 6}});
  for (size_t i = first; i < transfers.size() && i - first < count; ++i) {
    const v1::Transfer& transfer = *transfers[i];
    table.Add({std::to_string(transfer.transfer_id()), RateOf(transfer.rate()),
               ShownPercent(transfer.verified_bytes() + transfer.unproven_bytes(),
                            transfer.total_bytes()),
               transfer.total_bytes() == 0 ? "-" : FormatSize(transfer.total_bytes()),
               ShownState(transfer.state()), ShownHash(style, transfer.kind().hash()),
               ShownProvider(style, transfer.provider()), ShownAge(transfer.started_unix_ms())});
  }
  return table.Text(style, is_known ? "no running transfers" : "no transfers are known");
}

std::string RttOf(const v1::Remote& remote) {
  const int64_t rtt_us = RttUsOf(remote);
  return rtt_us == 0 ? "-" : fmt::format("{:.1f} ms", static_cast<double>(rtt_us) / 1000);
}

std::string RemotesText(const std::vector<v1::Remote>& remotes, size_t count, bool is_known,
                        const Style& style) {
  std::vector<const v1::Remote*> sorted;
  for (const v1::Remote& remote : remotes) sorted.push_back(&remote);
  std::sort(sorted.begin(), sorted.end(), [](const v1::Remote* a, const v1::Remote* b) {
    return std::make_pair(-RateOf(*a), a->node_id()) < std::make_pair(-RateOf(*b), b->node_id());
  });
  Table table({"NODE", {"STATE", 0, 3}, "DOWN", {"UP", 0, 2}, {"RTT", 0, 1}, {"ADDRESS", 12, 4}});
  for (size_t i = 0; i < sorted.size() && i < count; ++i) {
    const v1::Remote& remote = *sorted[i];
    std::string state = ShownState(remote.state());
    if (remote.has_upload()) state = state == "down" ? "served" : state + ", served";
    std::string address = remote.connected_address();
    if (address.empty()) address = remote.upload().address();
    table.Add({ShownHash(style, remote.node_id()), state, RateOf(remote.download_rate()),
               RateOf(remote.upload().rate()), RttOf(remote), address.empty() ? "-" : address});
  }
  return table.Text(style, is_known ? "no connected nodes" : "no nodes are known");
}

// Facts in a row, as many as fit.
std::string Facts(const std::vector<std::string>& facts, size_t columns) {
  std::string line;
  for (const std::string& fact : facts) {
    const size_t gap = line.empty() ? 0 : 3;
    if (columns > 0 && WidthOf(line) + gap + WidthOf(fact) > columns && !line.empty()) break;
    line += std::string(gap, ' ') + fact;
  }
  return columns > 0 ? CutTo(line, columns) : line;
}

// "12:03:04", where we are.
std::string ClockOf(int64_t unix_ms) {
  const time_t seconds_since = unix_ms / 1000;
  tm local{};
  localtime_r(&seconds_since, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// What an operator should know before the rest; empty: nothing.
std::string Trouble(const TopState& state) {
  if (!state.trouble.empty() && state.answered_unix_ms != 0)
    return "no answer since " + ClockOf(state.answered_unix_ms) + ": " + state.trouble;
  if (!state.trouble.empty()) return state.trouble;
  return state.status.everything_paused() ? "all downloads are paused" : state.status.degraded();
}

std::vector<std::string> Totals(const TopState& state, const Style& style) {
  const v1::StatusResponse& status = state.status;
  std::vector<std::string> lines;
  if (state.trouble.empty()) {
    lines.push_back(Facts({fmt::format("down {}", FormatRate(status.download_rate())),
                           fmt::format("up {}", FormatRate(status.uploads().rate())),
                           Counted(state.transfers.size(), "transfer"),
                           Counted(status.unfinished_requests(), "request"),
                           fmt::format("blobd {} {}", EscapeForTerminal(status.version()),
                                       EscapeForTerminal(status.state()))},
                          style.columns));
    lines.push_back(Facts({fmt::format("disk {} free", FormatSize(status.disk().free_bytes())),
                           fmt::format("store {}", FormatSize(status.store().complete_bytes() +
                                                              status.store().partial_bytes())),
                           Counted(status.store().complete_blobs(), "blob"),
                           "serves " + Counted(status.uploads().nodes(), "node"),
                           fmt::format("up for {}", ShownAge(status.started_unix_ms()))},
                          style.columns));
  } else {
    lines.push_back(
        Facts({"down -", "up -", "- transfers", "- requests", "blobd -"}, style.columns));
    lines.push_back(
        Facts({"disk - free", "store -", "- blobs", "serves - nodes", "up for -"}, style.columns));
  }
  const std::string trouble = EscapeForTerminal(Trouble(state));
  if (!trouble.empty()) {
    // It says what to do, so it is not cut, but for words that are wider than the screen.
    std::istringstream all(Fitted(style, 0, trouble + "\n"));
    for (std::string line; std::getline(all, line);)
      lines.push_back(style.columns > 0 ? CutTo(line, style.columns) : line);
  }
  return lines;
}

// What may still be so when the daemon does not answer any more.
TopState WithoutWhatIsOld(TopState state) {
  for (v1::Transfer& transfer : state.transfers) {
    transfer.set_rate(0);
    transfer.set_state(v1::TRANSFER_STATE_UNSPECIFIED);
  }
  for (v1::Remote& remote : state.remotes) {
    remote.set_state(v1::REMOTE_STATE_UNSPECIFIED);
    remote.set_download_rate(0);
    remote.clear_upload();
    remote.clear_paths();
  }
  return state;
}

void AddLines(const std::string& text, std::vector<std::string>* lines) {
  std::istringstream all(text);
  for (std::string line; std::getline(all, line);) lines->push_back(line);
}

std::vector<std::string> Help(const Style& style) {
  std::vector<std::string> lines;
  for (const char* line :
       {"q         quit", "s         sort transfers by rate, progress, provider, age",
        "up, down  scroll the transfers; also k, j, page up, page down, home, end",
        "h         this help, and back"}) {
    lines.push_back(style.columns > 0 ? CutTo(line, style.columns) : line);
  }
  return lines;
}

}  // namespace

TopFrame ShowTop(const TopState& latest, const TopShape& shape, const Style& style) {
  const TopState state = latest.trouble.empty() ? latest : WithoutWhatIsOld(latest);
  TopFrame frame;
  const bool is_screen = shape.lines > 0;
  if (shape.help && is_screen) {
    frame.lines = Help(style);
    frame.most_scroll = shape.scroll;
  } else {
    const bool is_known = state.trouble.empty();
    frame.lines = Totals(state, style);
    size_t transfers_room = state.transfers.size();
    size_t remotes_room = state.remotes.size();
    if (is_screen) {
      // Two tables with their heads, a blank line before each, and the line about keys.
      const size_t fixed = frame.lines.size() + 5;
      const size_t room = shape.lines > fixed ? shape.lines - fixed : 0;
      const size_t left = room - std::min(room, transfers_room);
      remotes_room = std::min(remotes_room, std::max(room / kRemotesPart, left));
      transfers_room = room - remotes_room;
    }
    const auto transfers = Sorted(state.transfers, shape.sort);
    frame.most_scroll = transfers.size() - std::min(transfers.size(), transfers_room);
    frame.lines.emplace_back();
    AddLines(TransfersText(transfers, std::min(shape.scroll, frame.most_scroll), transfers_room,
                           is_known, style),
             &frame.lines);
    frame.lines.emplace_back();
    AddLines(RemotesText(state.remotes, remotes_room, is_known, style), &frame.lines);
  }
  if (!is_screen) return frame;
  if (frame.lines.size() >= shape.lines) frame.lines.resize(shape.lines - 1);
  while (frame.lines.size() + 1 < shape.lines) frame.lines.emplace_back();
  frame.lines.push_back(
      Facts({"q quit", "h help", fmt::format("s sort: {}", NameOf(shape.sort)), "arrows scroll"},
            style.columns));
  return frame;
}

void AddUploads(const google::protobuf::RepeatedPtrField<v1::Upload>& uploads,
                std::vector<v1::Remote>* remotes) {
  for (const v1::Upload& upload : uploads) {
    const bool is_there =
        std::any_of(remotes->begin(), remotes->end(),
                    [&](const v1::Remote& remote) { return remote.node_id() == upload.node_id(); });
    if (is_there) continue;
    v1::Remote& remote = remotes->emplace_back();
    remote.set_node_id(upload.node_id());
    remote.set_state(v1::REMOTE_STATE_DOWN);
    *remote.mutable_upload() = upload;
  }
}

int64_t RttUsOf(const v1::Remote& remote) {
  int64_t rtt_us = 0;
  for (const v1::RemotePath& path : remote.paths()) {
    if (path.rtt_us() == 0 || path.dark()) continue;
    if (path.selected()) return path.rtt_us();
    rtt_us = rtt_us == 0 ? path.rtt_us() : std::min(rtt_us, path.rtt_us());
  }
  return rtt_us;
}

std::optional<TopKey> TakeKey(std::string* typed) {
  static constexpr std::array<std::pair<std::string_view, TopKey>, 21> kKeys = {
      {{"q", TopKey::kQuit},           {"Q", TopKey::kQuit},      {"s", TopKey::kSort},
       {"h", TopKey::kHelp},           {"?", TopKey::kHelp},      {"k", TopKey::kUp},
       {"j", TopKey::kDown},           {"\x1b[A", TopKey::kUp},   {"\x1bOA", TopKey::kUp},
       {"\x1b[B", TopKey::kDown},      {"\x1bOB", TopKey::kDown}, {"\x1b[5~", TopKey::kPageUp},
       {"\x1b[6~", TopKey::kPageDown}, {"\x1b[H", TopKey::kHome}, {"\x1bOH", TopKey::kHome},
       {"\x1b[1~", TopKey::kHome},     {"\x1b[F", TopKey::kEnd},  {"\x1bOF", TopKey::kEnd},
       {"\x1b[4~", TopKey::kEnd},      {" ", TopKey::kPageDown},  {"b", TopKey::kPageUp}}};
  while (!typed->empty()) {
    bool may_come = false;
    for (const auto& [bytes, key] : kKeys) {
      if (typed->starts_with(bytes)) {
        typed->erase(0, bytes.size());
        return key;
      }
      may_come = may_come || bytes.starts_with(*typed);
    }
    if (may_come) return std::nullopt;
    typed->erase(0, 1);
  }
  return std::nullopt;
}

TopShape AfterKey(TopShape shape, TopKey key, const TopFrame& frame) {
  shape.scroll = std::min(shape.scroll, frame.most_scroll);
  switch (key) {
    case TopKey::kQuit:
      break;
    case TopKey::kSort:
      shape.sort = shape.sort == TopSort::kAge
                       ? TopSort::kRate
                       : static_cast<TopSort>(static_cast<int>(shape.sort) + 1);
      break;
    case TopKey::kHelp:
      shape.help = !shape.help;
      break;
    case TopKey::kUp:
      shape.scroll -= std::min<size_t>(shape.scroll, 1);
      break;
    case TopKey::kDown:
      shape.scroll = std::min(shape.scroll + 1, frame.most_scroll);
      break;
    case TopKey::kPageUp:
      shape.scroll -= std::min(shape.scroll, kPage);
      break;
    case TopKey::kPageDown:
      shape.scroll = std::min(shape.scroll + kPage, frame.most_scroll);
      break;
    case TopKey::kHome:
      shape.scroll = 0;
      break;
    case TopKey::kEnd:
      shape.scroll = frame.most_scroll;
      break;
  }
  return shape;
}

}  // namespace blobd::client
