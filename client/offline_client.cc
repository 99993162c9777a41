#include "client/offline_client.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <utility>

#include "client/offline_database.h"
#include "client/refusing_client.h"

namespace blobd::client {
namespace {

constexpr uint32_t kLargestPage = 1000;

using Values = std::vector<OfflineDatabase::Value>;

// A word of the views, or the first value of the enumeration for one that we do not know.
template <typename Enum>
Enum Named(const std::map<std::string, Enum>& names, const std::string& word) {
  const auto it = names.find(word);
  return it == names.end() ? Enum{} : it->second;
}

const std::map<std::string, v1::IntentState>& IntentStates() {
  static const std::map<std::string, v1::IntentState> names = {
      {"queued", v1::INTENT_STATE_QUEUED},
      {"done", v1::INTENT_STATE_DONE},
      {"cancelled", v1::INTENT_STATE_CANCELLED},
      {"no_providers", v1::INTENT_STATE_NO_PROVIDERS},
      {"failed", v1::INTENT_STATE_FAILED},
      {"deadline_exceeded", v1::INTENT_STATE_DEADLINE_EXCEEDED}};
  return names;
}

// As the views have it: what is neither done nor stopped failed, in one way or another.
v1::TransferState StateOf(const std::string& outcome) {
  return outcome == "done"      ? v1::TRANSFER_STATE_DONE
         : outcome == "stopped" ? v1::TRANSFER_STATE_CANCELLED
                                : v1::TRANSFER_STATE_FAILED;
}

v1::Priority PriorityOf(const std::string& word) {
  static const std::map<std::string, v1::Priority> names = {{"background", v1::PRIORITY_BACKGROUND},
                                                            {"normal", v1::PRIORITY_NORMAL},
                                                            {"urgent", v1::PRIORITY_URGENT}};
  return Named(names, word);
}

void SetKind(const OfflineRow& row, int hash, int format, v1::Kind* kind) {
  kind->set_hash(row.Text(hash));
  kind->set_format(row.Text(format) == "hash_seq" ? v1::BLOB_FORMAT_HASH_SEQ : v1::BLOB_FORMAT_RAW);
}

uint32_t PageSize(uint32_t wanted) {
  return wanted == 0 ? kLargestPage : std::min(wanted, kLargestPage);
}

class OfflineClient final : public RefusingClient {
 public:
  OfflineClient(OfflineDatabase registry, OfflineDatabase store)
      : registry_(std::move(registry)), store_(std::move(store)) {}

  StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest& request) override {
    std::string where = FromToken(request.newest_first());
    if (request.scope() == v1::INTENT_SCOPE_UNFINISHED) where += " AND state = 'queued'";
    if (request.scope() == v1::INTENT_SCOPE_FINISHED) where += " AND state <> 'queued'";
    Values values = {After(request.page_token(), request.newest_first())};
    Restrict("hash", request.hash(), &where, &values);
    Restrict("label", request.label(), &where, &values);
    if (!request.states().empty()) {
      std::string words;
      for (const auto& [word, state] : IntentStates()) {
        const auto& wanted = request.states();
        if (std::find(wanted.begin(), wanted.end(), state) != wanted.end())
          words += (words.empty() ? "'" : ", '") + word + "'";
      }
      where += " AND state IN (" + words + ")";
    }
    const uint32_t size = PageSize(request.page_size());
    v1::ListIntentsResponse page;
    BLOBD_RETURN_IF_ERROR(registry_.ForEach(
        "SELECT id, hash, format, owner_uid, label, priority, state, reason, created_ms, "
        "deadline_ms, finished_ms, total_bytes, downloaded_bytes FROM offline_intents_v1 WHERE " +
            where + Order(request.newest_first()) + " LIMIT " + std::to_string(size),
        values, [&page](const OfflineRow& row) { Fill(row, page.add_intents()); }));
    if (page.intents_size() == static_cast<int>(size)) {
      page.set_next_page_token(std::to_string(page.intents(page.intents_size() - 1).intent_id()));
    }
    return page;
  }

  StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) override {
    v1::ListTransfersResponse page;
    std::string where = FromToken(request.newest_first());
    Values values = {After(request.page_token(), request.newest_first())};
    Restrict("hash", request.hash(), &where, &values);
    Restrict("provider", request.provider(), &where, &values);
    if (!request.states().empty()) {
      std::string any = "0";
      for (const int state : request.states()) {
        if (state == v1::TRANSFER_STATE_DONE) any += " OR outcome = 'done'";
        if (state == v1::TRANSFER_STATE_CANCELLED) any += " OR outcome = 'stopped'";
        if (state == v1::TRANSFER_STATE_FAILED) any += " OR outcome NOT IN ('done', 'stopped')";
      }
      where += " AND (" + any + ")";
    }
    const uint32_t size = PageSize(request.page_size());
    BLOBD_RETURN_IF_ERROR(registry_.ForEach(
        "SELECT id, hash, format, provider, outcome, reason, received_bytes, verified_bytes, "
        "total_bytes, started_ms, finished_ms FROM offline_transfers_v1 WHERE " +
            where + Order(request.newest_first()) + " LIMIT " + std::to_string(size),
        values, [&page](const OfflineRow& row) { Fill(row, page.add_transfers()); }));
    if (page.transfers_size() == static_cast<int>(size)) {
      page.set_next_page_token(
          std::to_string(page.transfers(page.transfers_size() - 1).transfer_id()));
    }
    return page;
  }

  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) override {
    v1::ListBlobsResponse page;
    const uint32_t size = PageSize(request.page_size());
    BLOBD_RETURN_IF_ERROR(store_.ForEach(
        "SELECT hash, state, size, size_proven, verified_bytes, is_private "
        "FROM offline_blobs_v1 WHERE hash > ?1 ORDER BY hash LIMIT " +
            std::to_string(size),
        {request.page_token()}, [&page](const OfflineRow& row) { Fill(row, page.add_blobs()); }));
    if (page.blobs_size() == static_cast<int>(size)) {
      page.set_next_page_token(page.blobs(page.blobs_size() - 1).hash());
    }
    return page;
  }

 private:
  Status Refusal() const override {
    return FailedPrecondition(
        "only the daemon can do that; --offline lists intents, transfers and blobs");
  }

  // The rows behind those of the page before.
  static const char* FromToken(bool newest_first) { return newest_first ? "id < ?1" : "id > ?1"; }
  static const char* Order(bool newest_first) {
    return newest_first ? " ORDER BY id DESC" : " ORDER BY id";
  }
  static int64_t After(const std::string& token, bool newest_first) {
    if (token.empty()) return newest_first ? std::numeric_limits<int64_t>::max() : -1;
    return std::strtoll(token.c_str(), nullptr, 10);
  }
  static void Restrict(const char* column, const std::string& value, std::string* where,
                       Values* values) {
    if (value.empty()) return;
    values->emplace_back(value);
    *where += std::string(" AND ") + column + " = ?" + std::to_string(values->size());
  }

  static void Fill(const OfflineRow& row, v1::Intent* intent) {
    intent->set_intent_id(row.Count(0));
    SetKind(row, 1, 2, intent->mutable_kind());
    intent->set_owner_uid(static_cast<uint32_t>(row.Integer(3)));
    intent->set_label(row.Text(4));
    intent->set_priority(PriorityOf(row.Text(5)));
    intent->set_state(Named(IntentStates(), row.Text(6)));
    intent->set_reason(row.Text(7));
    intent->set_created_unix_ms(row.Integer(8));
    intent->set_deadline_unix_ms(row.Integer(9));
    intent->set_finished_unix_ms(row.Integer(10));
    intent->set_total_bytes(row.Count(11));
    intent->set_downloaded_bytes(row.Count(12));
    if (intent->state() == v1::INTENT_STATE_DONE) intent->set_verified_bytes(row.Count(11));
  }

  static void Fill(const OfflineRow& row, v1::Transfer* transfer) {
    transfer->set_transfer_id(row.Count(0));
    SetKind(row, 1, 2, transfer->mutable_kind());
    transfer->set_provider(row.Text(3));
    transfer->set_state(StateOf(row.Text(4)));
    transfer->set_reason(row.Text(5));
    transfer->set_received_bytes(row.Count(6));
    transfer->set_verified_bytes(row.Count(7));
    transfer->set_total_bytes(row.Count(8));
    transfer->set_started_unix_ms(row.Integer(9));
    transfer->set_finished_unix_ms(row.Integer(10));
  }

  static void Fill(const OfflineRow& row, v1::Blob* blob) {
    blob->set_hash(row.Text(0));
    blob->set_state(row.Text(1) == "complete" ? v1::BLOB_STATE_COMPLETE : v1::BLOB_STATE_PARTIAL);
    blob->set_size(row.Count(2));
    blob->set_size_proven(row.Integer(3) != 0);
    blob->set_verified_bytes(row.Count(4));
    blob->set_is_private(row.Integer(5) != 0);
  }

  OfflineDatabase registry_;
  OfflineDatabase store_;
};

std::string OwnStateDir() {
  if (geteuid() == 0) return "/var/lib/blobd";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string(state) + "/blobd";
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/.local/state/blobd";
}

}  // namespace

StatusOr<std::unique_ptr<DaemonClient>> OpenOffline(const std::string& state_dir) {
  const std::string directory = state_dir.empty() ? OwnStateDir() : state_dir;
  BLOBD_ASSIGN_OR_RETURN(OfflineDatabase registry,
                         OfflineDatabase::Open(directory + "/registry.db"));
  BLOBD_ASSIGN_OR_RETURN(OfflineDatabase store, OfflineDatabase::Open(directory + "/store.db"));
  return std::unique_ptr<DaemonClient>(
      std::make_unique<OfflineClient>(std::move(registry), std::move(store)));
}

}  // namespace blobd::client
