#include "registry_player.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/overloaded.h"

namespace blobd::faults {

using registry::Change;
using registry::IdSpace;
using registry::IntentRow;
using registry::ResultCode;

namespace {

std::string KeyOf(const IntentRow& row) { return fmt::format("intent {}", row.id.value); }
std::string KeyOf(const registry::ProviderRow& row) {
  return fmt::format("provider {} {}", row.hash.Short(), ToString(row.provider));
}
std::string KeyOf(const registry::BanRow& row) {
  return fmt::format("ban {}", ToString(row.provider));
}

std::string Text(const IntentRow& row) {
  return fmt::format("{} {} uid {} '{}' '{}' at {} until {} result {} '{}' at {} {}/{}",
                     row.kind.hash.Short(), row.priority, row.owner_uid, row.label,
                     row.idempotency_key, row.created.unix_ms, row.deadline.unix_ms,
                     static_cast<int>(row.result), row.reason, row.finished.unix_ms,
                     row.downloaded_bytes, row.total_bytes);
}
std::string Text(const registry::BanRow& row) {
  return fmt::format("until {} {} times '{}'", row.until.unix_ms, row.times, row.reason);
}

Hash HashOf(uint64_t number) {
  Hash hash{};
  for (uint8_t& byte : hash.bytes) byte = static_cast<uint8_t>(number * 37 + 11);
  return hash;
}

ProviderId ProviderOf(uint64_t number) {
  if (number % 2 == 0) return MirrorUrl{fmt::format("http://mirror{}.example/", number)};
  NodeId node{};
  node.bytes.fill(static_cast<uint8_t>(number));
  return node;
}

// What the change does to which row.
std::pair<std::string, std::optional<std::string>> WriteOf(const Change& change) {
  using Write = std::pair<std::string, std::optional<std::string>>;
  return std::visit(
      [](const auto& one) -> Write {
        using Kind = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Kind, registry::PutIntent>) {
          return {KeyOf(one.intent), Text(one.intent)};
        } else if constexpr (std::is_same_v<Kind, registry::PutProvider>) {
          return {KeyOf(one.row), "there"};
        } else if constexpr (std::is_same_v<Kind, registry::DropProvider>) {
          return {KeyOf(one.row), std::nullopt};
        } else if constexpr (std::is_same_v<Kind, registry::PutBan>) {
          return {KeyOf(one.ban), Text(one.ban)};
        } else if constexpr (std::is_same_v<Kind, registry::DropBan>) {
          return {fmt::format("ban {}", ToString(one.provider)), std::nullopt};
        } else {
          return {};
        }
      },
      change);
}

std::optional<std::string> Find(const std::map<std::string, std::string>& table,
                                const std::string& key) {
  const auto it = table.find(key);
  return it == table.end() ? std::nullopt : std::optional<std::string>(it->second);
}

// Whether a commit that failed so changed nothing for certain.
bool ChangedNothing(const Status& status) {
  return status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kAlreadyExists ||
         status.code() == StatusCode::kInvalidArgument;
}

}  // namespace

RegistryPlayer::RegistryPlayer(Bench& bench, std::string path, std::string vfs)
    : bench_(bench), path_(std::move(path)), vfs_(std::move(vfs)) {}

RegistryPlayer::~RegistryPlayer() { Die(); }

bool RegistryPlayer::Open() {
  answers_ = bench_.turns.MakeQueue();
  registry::SqliteRegistry::Options options;
  options.vfs = vfs_;
  options.boot_id = fmt::format("boot {}", bench_.boots);
  auto opened = registry::SqliteRegistry::Open(path_, *answers_, options);
  if (bench_.is_over()) return false;
  if (opened.ok()) {
    registry_ = std::move(*opened);
    return true;
  }
  if (!bench_.disk.had_fault())
    bench_.Fail("the registry does not open: {}", opened.status().ToString());
  return false;
}

void RegistryPlayer::Die() {
  registry_ = nullptr;
  answers_ = nullptr;
  done_.clear();
  unfinished_.clear();
  ids_.clear();
}

void RegistryPlayer::Close() {
  bench_.Drain();
  if (bench_.is_over()) return;
  registry_ = nullptr;
}

std::optional<RegistryPlayer::Table> RegistryPlayer::ReadAll() {
  const auto snapshot = bench_.Await<StatusOr<registry::Snapshot>>(
      [&](auto done) { registry_->Load(std::move(done)); });
  if (bench_.is_over()) return std::nullopt;
  const auto all = bench_.Await<StatusOr<std::vector<IntentRow>>>(
      [&](auto done) { registry_->ListIntents({}, IntentId{0}, 100000, std::move(done)); });
  if (bench_.is_over()) return std::nullopt;
  if (!snapshot->ok() || !all->ok()) {
    const Status& status = snapshot->ok() ? all->status() : snapshot->status();
    if (!bench_.disk.had_fault()) bench_.Fail("the registry cannot be read: {}", status.ToString());
    return std::nullopt;
  }
  CheckIds(**all, (*snapshot)->unfinished);
  Table table;
  for (const IntentRow& row : **all) table[KeyOf(row)] = Text(row);
  for (const auto& row : (*snapshot)->providers) table[KeyOf(row)] = "there";
  for (const auto& row : (*snapshot)->bans) table[KeyOf(row)] = Text(row);
  unfinished_.clear();
  for (const IntentRow& row : (*snapshot)->unfinished) unfinished_[row.id.value] = row;
  return table;
}

// The engine goes on with exactly those that have no result.
void RegistryPlayer::CheckIds(const std::vector<IntentRow>& all,
                              const std::vector<IntentRow>& unfinished) {
  std::set<uint64_t> open;
  for (const IntentRow& row : all) {
    if (row.id.value >= handed_out_[0]) bench_.Fail("intent {} was never queued", row.id.value);
    if (row.result == ResultCode::kNone) open.insert(row.id.value);
  }
  std::set<uint64_t> loaded;
  for (const IntentRow& row : unfinished) loaded.insert(row.id.value);
  if (open != loaded) bench_.Fail("{} intents are loaded, {} are open", loaded.size(), open.size());
}

void RegistryPlayer::Check(bool had_fault) {
  // A plain end, of the process or of the power, is not to be taken for a loss.
  const sqlite::LogState log = registry_->findings().log;
  if (log == sqlite::LogState::kCommitsLost && !had_fault)
    bench_.Fail("commits are said to be lost: {}", registry_->findings().text);
  // After a fault of the disk it may be right; the operator sees it, so that it is not said for
  // ever.
  if (log == sqlite::LogState::kCommitsLost) (void)sqlite::ForgetFindings(path_);
  if (registry_->findings().may_be_incomplete()) ++doubts_;
  std::optional<Table> found = ReadAll();
  if (!found || bench_.is_over()) return;
  std::map<std::string, std::set<Value>> may_be;
  std::map<std::string, size_t> writers;
  for (const auto& commit : open_) {
    for (const auto& [key, value] : commit->writes) {
      may_be[key].insert(Find(acknowledged_table_, key));
      may_be[key].insert(value);
      ++writers[key];
    }
  }
  std::set<std::string> keys;
  for (const Table* table : {&*found, &acknowledged_table_}) {
    for (const auto& [key, value] : *table) keys.insert(key);
  }
  for (const std::string& key : keys) {
    const Value is = Find(*found, key);
    const Value was = Find(acknowledged_table_, key);
    const auto it = may_be.find(key);
    if (it != may_be.end() ? it->second.contains(is) : is == was) continue;
    return bench_.Fail("{}: is '{}', acknowledged was '{}'", key, is.value_or("absent"),
                       was.value_or("absent"));
  }
  for (const auto& commit : open_) {
    size_t done = 0;
    size_t undone = 0;
    for (const auto& [key, value] : commit->writes) {
      // Somebody else may have written it too, even the same.
      if (may_be[key].size() != 2 || writers[key] != 1) continue;
      (Find(*found, key) == value ? done : undone) += 1;
    }
    if (done > 0 && undone > 0)
      bench_.Fail("a commit of {} happened by half", commit->writes[0].first);
  }
  bench_.log.Add("check: {} rows, {} commits were open", keys.size(), open_.size());
  found_ = *std::move(found);
  done_.clear();
}

void RegistryPlayer::Step() {
  const uint64_t draw = bench_.rng.Below(100);
  if (draw < 15 || ids_.empty()) return ReserveIds();
  if (draw < 60) return Queue();
  if (draw < 80) return EndIntent();
  if (draw < 90) return ChangeProvider();
  ChangeBan();
}

void RegistryPlayer::ReserveIds() {
  const auto space = static_cast<IdSpace>(bench_.rng.Below(3));
  auto reserved = [this, space](StatusOr<registry::IdBlock> block) {
    if (bench_.is_over()) return;
    if (!block.ok()) {
      if (!bench_.disk.had_fault()) bench_.Fail("no ids: {}", block.status().ToString());
      return;
    }
    uint64_t& end = handed_out_[static_cast<size_t>(space)];
    if (block->first < end || block->first == 0)
      return bench_.Fail("id {} is handed out again", block->first);
    end = block->end;
    bench_.log.Add("ids [{}, {})", block->first, block->end);
    if (space != IdSpace::kIntent) return;
    for (uint64_t id = block->first; id < block->end; ++id) ids_.push_back(id);
  };
  registry_->ReserveIds(space, 1 + bench_.rng.Below(20), reserved);
}

void RegistryPlayer::Queue() {
  Rng& rng = bench_.rng;
  std::vector<Change> changes;
  const size_t count = std::min<size_t>(ids_.size(), rng.Chance(0.1) ? 8 : 1);
  for (size_t i = 0; i < count; ++i) {
    IntentRow row;
    row.id = IntentId{ids_.back()};
    ids_.pop_back();
    row.kind.hash = HashOf(rng.Below(10));
    row.owner_uid = static_cast<uint32_t>(rng.Below(3));
    row.label = fmt::format("label {}", next_label_++);
    if (rng.Chance(0.3)) row.idempotency_key = fmt::format("key {}", row.id.value);
    row.created = WallTime{static_cast<int64_t>(1000 + next_label_)};
    changes.push_back(registry::PutIntent{row});
    if (rng.Chance(0.3))
      changes.push_back(registry::PutProvider{{row.kind.hash, ProviderOf(rng.Below(8))}});
  }
  Send(std::move(changes));
}

void RegistryPlayer::EndIntent() {
  if (unfinished_.empty()) return;
  auto it = unfinished_.begin();
  std::advance(it, bench_.rng.Below(unfinished_.size()));
  IntentRow row = it->second;
  unfinished_.erase(it);
  row.result = bench_.rng.Chance(0.6) ? ResultCode::kDone : ResultCode::kCancelled;
  row.reason = row.result == ResultCode::kDone ? "" : fmt::format("reason {}", next_label_++);
  row.finished = WallTime{static_cast<int64_t>(5000 + next_label_++)};
  row.total_bytes = bench_.rng.Below(1 << 30);
  Send({registry::PutIntent{row}});
}

void RegistryPlayer::ChangeProvider() {
  const registry::ProviderRow row{HashOf(bench_.rng.Below(10)), ProviderOf(bench_.rng.Below(8))};
  if (bench_.rng.Chance(0.5)) return Send({registry::PutProvider{row}});
  Send({registry::DropProvider{row}});
}

void RegistryPlayer::ChangeBan() {
  registry::BanRow ban;
  ban.provider = ProviderOf(bench_.rng.Below(8));
  if (bench_.rng.Chance(0.3)) return Send({registry::DropBan{ban.provider}});
  ban.until = WallTime{static_cast<int64_t>(next_label_++)};
  ban.times = 1;
  ban.reason = "lied";
  Send({registry::PutBan{ban}});
}

void RegistryPlayer::Send(std::vector<Change> changes) {
  auto commit = std::make_shared<Commit>();
  for (const Change& change : changes) commit->writes.push_back(WriteOf(change));
  bench_.log.Add("commit of {} with {} changes", commit->writes[0].first, changes.size());
  open_.push_back(commit);
  std::vector<IntentRow> queued;
  for (const Change& change : changes) {
    const auto* put = std::get_if<registry::PutIntent>(&change);
    if (put != nullptr && put->intent.result == ResultCode::kNone) queued.push_back(put->intent);
  }
  auto answered = [this, commit, queued = std::move(queued)](const Status& status) {
    if (bench_.is_over()) return;
    OnAnswer(commit, status);
    if (!status.ok()) return;
    for (const IntentRow& row : queued) unfinished_[row.id.value] = row;
  };
  registry_->Commit(std::move(changes), std::move(answered));
}

void RegistryPlayer::OnAnswer(const std::shared_ptr<Commit>& commit, const Status& status) {
  bench_.log.Add("commit of {}: {}", commit->writes[0].first, status.ToString());
  const auto it = std::find(open_.begin(), open_.end(), commit);
  if (status.ok()) {
    ++acknowledged_;
    done_.push_back(commit);
    acknowledged_table_ = found_;
    for (const auto& done : done_) Apply(*done, acknowledged_table_);
    // Those before it have failed, or were left by earlier lives: this life found them done or not.
    open_.erase(open_.begin(), std::next(it));
    return;
  }
  if (!bench_.disk.had_fault()) return bench_.Fail("a commit failed: {}", status.ToString());
  commit->has_failed = true;
  if (ChangedNothing(status)) open_.erase(it);
}

void RegistryPlayer::Apply(const Commit& commit, Table& table) {
  for (const auto& [key, value] : commit.writes) {
    if (value) {
      table[key] = *value;
    } else {
      table.erase(key);
    }
  }
}

}  // namespace blobd::faults
