#include "store/move_aside.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

namespace blobd::store {
namespace {

constexpr std::string_view kDamaged = "store.db.damaged-";
constexpr std::string_view kRebuilding = "store.db.rebuilding-";

std::string MarkPath(const Layout& layout, uint32_t number) {
  return fmt::format("{}/{}{}", layout.root(), kRebuilding, number);
}

// The N of `prefix`N and `prefix`N-wal; nullopt for names that are not ours.
std::optional<uint32_t> NumberOf(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  if (name.ends_with("-wal")) name.remove_suffix(4);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return std::nullopt;
  return number;
}

StatusOr<std::set<uint32_t>> Numbers(FileSystem& file_system, const Layout& layout,
                                     std::string_view prefix) {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system.List(layout.root()));
  std::set<uint32_t> numbers;
  for (const std::string& name : names) {
    if (const std::optional<uint32_t> number = NumberOf(name, prefix)) numbers.insert(*number);
  }
  return numbers;
}

}  // namespace

std::string DamagedPath(const Layout& layout, uint32_t number) {
  return fmt::format("{}/{}{}", layout.root(), kDamaged, number);
}

StatusOr<std::optional<uint32_t>> RebuildUnderWay(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::set<uint32_t> numbers,
                         Numbers(file_system, layout, kRebuilding));
  if (numbers.empty()) return std::optional<uint32_t>();
  return std::optional<uint32_t>(*numbers.rbegin());
}

StatusOr<uint32_t> BeginRebuild(FileSystem& file_system, const Layout& layout) {
  BLOBD_ASSIGN_OR_RETURN(const std::set<uint32_t> taken, Numbers(file_system, layout, kDamaged));
  // The next one; where somebody has taken the last number there is, the first that is free.
  uint32_t number = taken.empty() ? 0 : *taken.rbegin();
  do {
    number = number == std::numeric_limits<uint32_t>::max() ? 1 : number + 1;
  } while (taken.contains(number));
  BLOBD_RETURN_IF_ERROR(file_system.Open(MarkPath(layout, number), OpenMode::kCreate).status());
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.root()));
  return number;
}

Status MoveAside(FileSystem& file_system, const Layout& layout, uint32_t number) {
  for (const char* suffix : {"", "-wal"}) {
    const Status status =
        file_system.Rename(layout.database() + suffix, DamagedPath(layout, number) + suffix);
    if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  }
  const Status removed = file_system.Unlink(layout.database() + "-shm");
  if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  return file_system.SyncDirectory(layout.root());
}

Status EndRebuild(FileSystem& file_system, const Layout& layout, uint32_t number,
                  const std::string& fresh) {
  const std::string mark = MarkPath(layout, number);
  BLOBD_RETURN_IF_ERROR(file_system.Rename(fresh, mark));
  // Otherwise the second change of names might survive power loss without the first: the empty file
  // would be the database.
  BLOBD_RETURN_IF_ERROR(file_system.SyncDirectory(layout.root()));
  BLOBD_RETURN_IF_ERROR(file_system.Rename(mark, layout.database()));
  return file_system.SyncDirectory(layout.root());
}

Status AbandonRebuild(FileSystem& file_system, const Layout& layout, uint32_t number) {
  BLOBD_RETURN_IF_ERROR(file_system.Unlink(MarkPath(layout, number)));
  return file_system.SyncDirectory(layout.root());
}

}  // namespace blobd::store
