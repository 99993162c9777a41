#include "rpc/transfers_feed.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "rpc/convert.h"
#include "rpc/veil.h"

namespace blobd::rpc {
namespace {

constexpr int kMostIds = 1000;

SharedBytes Encode(const v1::WatchTransfersResponse& message) {
  return std::make_shared<const std::string>(message.SerializeAsString());
}

}  // namespace

std::vector<TransferId> TransfersSource::After(const Filter& filter,
                                               const std::optional<TransferId>& after,
                                               size_t limit) const {
  if (filter.ids.empty()) return engine_.TransfersAfter(after.value_or(TransferId{}), limit);
  auto it =
      after ? std::upper_bound(filter.ids.begin(), filter.ids.end(), *after) : filter.ids.begin();
  const auto count = std::min<ptrdiff_t>(filter.ids.end() - it, static_cast<ptrdiff_t>(limit));
  return {it, it + count};
}

TransfersSource::Item TransfersSource::Make(TransferId id) const {
  Item item;
  const auto view = engine_.FindTransfer(id);
  if (!view) return item;
  item.hash = view->kind.hash;
  item.is_running = view->finished == WallTime{};
  v1::WatchTransfersResponse message;
  Fill(*view, message.add_transfers());
  item.bytes = Encode(message);
  return item;
}

FeedFate TransfersSource::FateOf(const Filter& filter, TransferId /*id*/, const Item& item,
                                 FeedPhase phase) const {
  // Also to who follows those that run: it may have ended since the last message, and many others.
  if (item.bytes == nullptr) return FeedFate::kGone;
  if (filter.hash && item.hash != *filter.hash) return FeedFate::kNothing;
  if (!filter.running_only || item.is_running) return FeedFate::kShown;
  if (phase != FeedPhase::kSnapshot) return FeedFate::kLast;
  return !filter.ids.empty() ? FeedFate::kGone : FeedFate::kNothing;
}

bool TransfersSource::Judge(const engine::Caller& caller,
                            const std::vector<std::pair<TransferId, const Item*>>& items,
                            Task done) {
  std::vector<HashJudge::Question> questions;
  for (const auto& [id, item] : items) questions.emplace_back(id, item->hash);
  return judge_->Judge(caller, questions, std::move(done));
}

SharedBytes TransfersSource::BytesFor(const engine::Caller& caller, const Filter& filter,
                                      TransferId id, const Item& item) const {
  if (!judge_->IsHidden(caller, id)) return item.bytes;
  if (filter.hash) return nullptr;
  if (item.veiled == nullptr) {
    v1::WatchTransfersResponse message;
    BLOBD_CHECK(message.ParseFromString(*item.bytes));
    Veil(item.hash, message.mutable_transfers(0));
    item.veiled = Encode(message);
  }
  return item.veiled;
}

StatusOr<std::shared_ptr<FeedReader>> ReaderOf(TransfersFeed& feed, const engine::Caller& caller,
                                               const v1::WatchTransfersRequest& request) {
  TransfersSource::Filter filter;
  if (!request.hash().empty()) {
    BLOBD_ASSIGN_OR_RETURN(filter.hash, ToHash(request.hash(), "hash"));
  }
  filter.running_only = request.running_only();
  if (request.transfer_ids_size() > kMostIds) {
    return TooMany("transfer_ids", request.transfer_ids_size(), 0, kMostIds);
  }
  for (const uint64_t id : request.transfer_ids()) filter.ids.push_back(TransferId{id});
  std::sort(filter.ids.begin(), filter.ids.end());
  filter.ids.erase(std::unique(filter.ids.begin(), filter.ids.end()), filter.ids.end());
  std::string text = filter.hash ? filter.hash->ToHex() : "";
  text += filter.running_only ? "r" : "";
  for (const TransferId id : filter.ids) text += "," + std::to_string(id.value);
  const uint64_t number = std::hash<std::string>{}(text);
  BLOBD_ASSIGN_OR_RETURN(const std::optional<FeedToken> from,
                         ParseFeedToken(request.resume_token(), feed.life(), number));
  return feed.MakeReader(caller, std::move(filter), number, from);
}

}  // namespace blobd::rpc
