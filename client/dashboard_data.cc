#include "client/dashboard_data.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "client/states.h"

namespace blobd::client {
namespace {

using Json = nlohmann::json;

// Providers that have a colour of their own in the plot.
constexpr size_t kMostPlotted = 6;
// Rows of a list; how many more there are is told beside it.
constexpr size_t kMostRows = 100;
constexpr double kSecondsBetween = 3;

int64_t Rounded(double value) {
  return std::isfinite(value) && std::abs(value) < 1e18 ? std::llround(value) : 0;
}

bool IsMirror(std::string_view provider) { return provider.find("://") != std::string_view::npos; }

// What has come of it and is of use. Of mirrors, all that is not proven of the blob is told,
// whichever of them sent it: no more of that counts than this one sent.
uint64_t BytesOf(const v1::Transfer& transfer) {
  const uint64_t held = transfer.verified_bytes() + transfer.unproven_bytes();
  return IsMirror(transfer.provider()) ? std::min(transfer.received_bytes(), held) : held;
}

// What a person may know the content by: the label of who asked first, or the last part of a
// mirror's address. Empty: only by the hash.
std::string LastPartOf(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t slash = url.rfind('/');
  if (scheme == std::string_view::npos || slash < scheme + 3) return "";
  return std::string(url.substr(slash + 1));
}

// What one provider has brought of one request.
struct Share {
  uint64_t bytes = 0;
  double rate = 0;
  int running = 0;
  uint64_t first = 0;   // the id of the first of its transfers that is known
  uint64_t newest = 0;  // the id of its latest transfer, whose state the next two are
  std::string state;
  std::string trouble;
};

class Shares {
 public:
  void Add(const v1::Transfer& transfer) {
    const bool runs = transfer.finished_unix_ms() == 0;
    Share& share = shares_[transfer.provider()];
    share.bytes += BytesOf(transfer);
    sum_ += BytesOf(transfer);
    verified_ += transfer.verified_bytes();
    if (runs) {
      share.rate += transfer.rate();
      ++share.running;
    }
    const uint64_t id = transfer.transfer_id();
    share.first = share.first == 0 ? id : std::min(share.first, id);
    if (id < share.newest) return;
    share.newest = id;
    share.state = StateName(transfer.state());
    share.trouble = transfer.state() == v1::TRANSFER_STATE_FAILED ? transfer.reason() : "";
  }

  uint64_t verified() const { return verified_; }
  // How many are not listed.
  size_t more() const { return shares_.size() - std::min(shares_.size(), kMostRows); }

  // The first of the mirrors' names; the hash is none.
  std::string FileName(const std::string& hash) const {
    for (const auto& [provider, share] : shares_) {
      std::string name = LastPartOf(provider);
      if (!name.empty() && name != hash && name != "{hash}") return name;
    }
    return "";
  }

  // In an order that stays: who came first.
  Json ToJson() const {
    std::vector<std::pair<std::string, Share>> sorted(shares_.begin(), shares_.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
    Json list = Json::array();
    for (const auto& [provider, share] : sorted) {
      if (list.size() == kMostRows) break;
      list.push_back(
          {{"provider", provider},
           {"mirror", IsMirror(provider)},
           {"bytes", share.bytes},
           {"share", sum_ == 0 ? 0 : static_cast<double>(share.bytes) / static_cast<double>(sum_)},
           {"rate", Rounded(share.rate)},
           {"running", share.running},
           {"state", share.state},
           {"trouble", share.trouble}});
    }
    return list;
  }

 private:
  std::map<std::string, Share> shares_;
  uint64_t sum_ = 0;
  uint64_t verified_ = 0;
};

// The transfers that worked for the request: those that it names, and the ended ones of the same
// content that began when somebody wanted it already.
Shares SharesOf(const v1::Request& request, const RequestIntent& intent, const TopState& top) {
  Shares shares;
  const std::set<uint64_t> ids(request.transfer_ids().begin(), request.transfer_ids().end());
  for (const v1::Transfer& transfer : top.transfers)
    if (ids.contains(transfer.transfer_id())) shares.Add(transfer);
  for (const v1::Transfer& transfer : top.ended) {
    const bool is_same = !request.kind().hash().empty() &&
                         transfer.kind().hash() == request.kind().hash() &&
                         transfer.kind().format() == request.kind().format();
    if (is_same && !ids.contains(transfer.transfer_id()) &&
        transfer.started_unix_ms() >= intent.created_unix_ms) {
      shares.Add(transfer);
    }
  }
  return shares;
}

RequestIntent IntentOf(const v1::Request& request, const KnownRequests& known) {
  const auto it = known.intents.find(FirstIntentOf(request));
  return it == known.intents.end() ? RequestIntent() : it->second;
}

Json BasicsOf(const v1::Request& request, const RequestIntent& intent, const std::string& file) {
  return {{"hash", request.kind().hash()},
          {"collection", request.kind().format() == v1::BLOB_FORMAT_HASH_SEQ},
          {"intent", FirstIntentOf(request)},
          {"intents", request.intents()},
          {"label", intent.label},
          {"file", file},
          {"state", StateName(request.state())},
          {"verified", request.verified_bytes()},
          {"unproven", request.unproven_bytes()},
          {"total", request.total_bytes()},
          {"claimed", request.claimed_bytes()}};
}

// What no transfer that is known has brought: it was here before, or they are forgotten. Requests
// and transfers are not told at the same moment: what may have come between the two is taken for
// nothing.
uint64_t HereBefore(const v1::Request& request, const Shares& shares) {
  const uint64_t between =
      std::max(kMiB, static_cast<uint64_t>(kSecondsBetween * std::max(0.0, request.rate())));
  const uint64_t known = shares.verified() + between;
  return request.verified_bytes() > known ? request.verified_bytes() - shares.verified() : 0;
}

Json DownloadsOf(const DashboardState& state) {
  Json list = Json::array();
  for (const v1::Request& request : state.requests.running) {
    const RequestIntent intent = IntentOf(request, state.requests);
    const Shares shares = SharesOf(request, intent, state.top);
    Json each = BasicsOf(request, intent, shares.FileName(request.kind().hash()));
    each["rate"] = Rounded(request.rate());
    each["blobs"] = request.total_blobs();
    each["complete_blobs"] = request.complete_blobs();
    each["here_before"] = HereBefore(request, shares);
    each["shares"] = shares.ToJson();
    each["shares_more"] = shares.more();
    list.push_back(std::move(each));
  }
  return list;
}

Json WaitingOf(const DashboardState& state) {
  Json list = Json::array();
  for (const v1::Request& request : state.requests.waiting) {
    const RequestIntent intent = IntentOf(request, state.requests);
    std::string file;
    Json providers = Json::array();
    size_t more = 0;
    if (const auto why = state.requests.whys.find(FirstIntentOf(request));
        why != state.requests.whys.end()) {
      for (const v1::ProviderWhy& provider : why->second.providers()) {
        if (providers.size() == kMostRows) {
          ++more;
          continue;
        }
        if (file.empty()) file = LastPartOf(provider.provider());
        providers.push_back({{"provider", provider.provider()},
                             {"mirror", IsMirror(provider.provider())},
                             {"sentence", provider.sentence()},
                             {"last_error", provider.last_error()}});
      }
    }
    if (file == request.kind().hash() || file == "{hash}") file.clear();
    Json each = BasicsOf(request, intent, file);
    each["sentence"] = request.waits_for();
    each["since_ms"] = request.since_unix_ms();
    each["providers"] = std::move(providers);
    each["providers_more"] = more;
    list.push_back(std::move(each));
  }
  return list;
}

Json NodeOf(const v1::Remote& remote) {
  std::string state(StateName(remote.state()));
  if (remote.has_upload()) state = state == "down" ? "served" : state + ", served";
  const bool is_in_trouble = remote.last_failure_unix_ms() > remote.last_success_unix_ms();
  std::string trouble = is_in_trouble ? remote.last_failure() : "";
  if (remote.banned_until_unix_ms() != 0) trouble = "banned: " + remote.ban_reason();
  return {{"provider", remote.node_id()},
          {"mirror", false},
          {"state", state},
          {"address", remote.connected_address().empty() ? remote.upload().address()
                                                         : remote.connected_address()},
          {"rtt_us", RttUsOf(remote)},
          {"down", Rounded(remote.download_rate())},
          {"up", Rounded(remote.upload().rate())},
          {"transfers", remote.transfer_ids_size()},
          {"trouble", trouble}};
}

// The mirrors from which transfers run.
std::vector<Json> MirrorsOf(const TopState& top) {
  std::map<std::string, std::pair<double, int>> mirrors;
  for (const v1::Transfer& transfer : top.transfers) {
    if (!IsMirror(transfer.provider())) continue;
    mirrors[transfer.provider()].first += transfer.rate();
    ++mirrors[transfer.provider()].second;
  }
  std::vector<Json> all;
  for (const auto& [url, sum] : mirrors) {
    all.push_back({{"provider", url},
                   {"mirror", true},
                   {"state", "in use"},
                   {"address", ""},
                   {"rtt_us", 0},
                   {"down", Rounded(sum.first)},
                   {"up", 0},
                   {"transfers", sum.second},
                   {"trouble", ""}});
  }
  return all;
}

// In an order that stays: those who bring or get something, each by name.
std::vector<Json> ProvidersOf(const TopState& top) {
  std::vector<Json> all = MirrorsOf(top);
  for (const v1::Remote& remote : top.remotes) all.push_back(NodeOf(remote));
  const auto key = [](const Json& each) {
    const bool rests = each["transfers"] == 0 && each["up"] == 0;
    return std::make_pair(rests, each["provider"].get<std::string>());
  };
  std::sort(all.begin(), all.end(), [&](const Json& a, const Json& b) { return key(a) < key(b); });
  return all;
}

Json StatusOf(const v1::StatusResponse& status) {
  return {{"version", status.version()},
          {"node_id", status.node_id()},
          {"state", status.state()},
          {"started_ms", status.started_unix_ms()},
          {"degraded", status.degraded()},
          {"paused", status.everything_paused()},
          {"warnings", status.warnings()},
          {"requests", status.unfinished_requests()},
          {"transfers", status.running_transfers()},
          {"down", Rounded(status.download_rate())},
          {"up", Rounded(status.uploads().rate())},
          {"verified", status.verified_bytes()},
          {"sent", status.uploads().sent_bytes()},
          {"served_nodes", status.uploads().nodes()},
          {"serve", status.serve()},
          {"blobs", status.store().complete_blobs()},
          {"store", status.store().complete_bytes() + status.store().partial_bytes()},
          {"disk_free", status.disk().free_bytes()},
          {"disk_total", status.disk().total_bytes()},
          {"disk_reason", status.disk().reason()}};
}

Json HistoryOf(const DashboardHistory& history) {
  Json times = Json::array();
  Json down = Json::array();
  Json up = Json::array();
  for (const DashboardHistory::Sample& sample : history.samples()) {
    times.push_back(sample.unix_ms);
    down.push_back(Rounded(sample.down));
    up.push_back(Rounded(sample.up));
  }
  Json providers = Json::array();
  std::vector<std::string> foremost = history.Foremost(kMostPlotted);
  // Who is ahead of whom may change any second; the picture is to stay.
  std::sort(foremost.begin(), foremost.end());
  for (const std::string& name : foremost) {
    Json rates = Json::array();
    for (const DashboardHistory::Sample& sample : history.samples()) {
      const auto it = sample.providers.find(name);
      rates.push_back(it == sample.providers.end() ? 0 : Rounded(it->second));
    }
    providers.push_back({{"provider", name}, {"mirror", IsMirror(name)}, {"down", rates}});
  }
  return {{"length_ms", std::chrono::duration_cast<milliseconds>(history.kLength).count()},
          {"ms", std::move(times)},
          {"down", std::move(down)},
          {"up", std::move(up)},
          {"providers", std::move(providers)}};
}

}  // namespace

DashboardHistory::Sample SampleOf(const TopState& state, int64_t now_unix_ms) {
  DashboardHistory::Sample sample{
      now_unix_ms, state.status.download_rate(), state.status.uploads().rate(), {}};
  for (const v1::Transfer& transfer : state.transfers)
    sample.providers[transfer.provider()] += transfer.rate();
  return sample;
}

std::string DashboardJson(const DashboardState& state, const DashboardHistory& history,
                          int64_t now_unix_ms) {
  Json document = {{"now_ms", now_unix_ms},
                   {"trouble", state.top.trouble},
                   {"reachable", state.is_reachable},
                   {"answered", state.has_answered},
                   {"history", HistoryOf(history)}};
  if (state.has_answered) {
    std::vector<Json> providers = ProvidersOf(state.top);
    const size_t shown = std::min(providers.size(), kMostRows);
    document["providers_more"] = providers.size() - shown;
    providers.resize(shown);
    document["status"] = StatusOf(state.top.status);
    document["downloads"] = DownloadsOf(state);
    document["downloads_more"] = state.requests.running_more;
    document["waiting_more"] = state.requests.waiting_more;
    document["waiting"] = WaitingOf(state);
    document["providers"] = std::move(providers);
  }
  // What is no UTF-8 is replaced: the document is always one.
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace blobd::client
