#include "disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blobd::faults {
namespace {

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

const char* NameOf(Operation operation) {
  constexpr std::array<const char*, kOperations> kNames = {"read", "write", "sync", "name",
                                                           "sync names of"};
  return kNames[static_cast<size_t>(operation)];
}

}  // namespace

Disk::Disk(const Options& options, Rng& rng, Log& log) : options_(options), rng_(rng), log_(log) {
  // The state directory itself is made by others.
  for (const char* path : {kRoot, kState}) {
    for (Names* names : {&names_, &durable_names_}) names->emplace(path, nullptr);
  }
}

// What is to happen instead of the operation; 0: it happens.
int Disk::Begin(Operation operation, const std::string& what) {
  if (is_down_) return EIO;
  if (operation != Operation::kRead) {
    ++changes_;
    if (changes_left_ == 0) {
      log_.Add("the end comes at: {} {}", NameOf(operation), what);
      is_down_ = true;
      return EIO;
    }
    --changes_left_;
    log_.Add("disk: {} {}", NameOf(operation), what);
  }
  if (!fault_.operations.contains(operation)) return 0;
  const uint64_t number = matching_++;
  if (number < fault_.first || number >= fault_.end) return 0;
  had_fault_ = true;
  log_.Add("disk: {} {} fails: {}", NameOf(operation), what, std::strerror(fault_.error));
  return fault_.error;
}

int Disk::OpenFile(const std::string& path, Open how, File* file) {
  const auto it = names_.find(path);
  if (it != names_.end() && it->second == nullptr) return EISDIR;
  if (it != names_.end() && how == Open::kCreateNew) return EEXIST;
  if (it == names_.end()) {
    if (how == Open::kExisting) return is_down_ ? EIO : ENOENT;
    if (!IsDirectory(DirectoryOf(path))) return ENOENT;
    if (const int error = Begin(Operation::kName, path); error != 0) return error;
    *file = std::make_shared<Inode>(path);
    names_.emplace(path, *file);
    name_changes_.push_back({NameChange::Kind::kMake, path, {}, *file});
    return 0;
  }
  if (const int error = Begin(Operation::kRead, path); error != 0) return error;
  *file = it->second;
  return 0;
}

int Disk::Read(const File& file, uint64_t offset, MutableBytes out, size_t* count) {
  *count = 0;
  if (const int error = Begin(Operation::kRead, file->name()); error != 0) return error;
  if (offset >= file->size()) return 0;
  *count = std::min<size_t>(out.size(), file->size() - offset);
  std::copy_n(file->cache().bytes.begin() + static_cast<ptrdiff_t>(offset), *count, out.begin());
  return 0;
}

int Disk::Write(const File& file, uint64_t offset, ByteView data) {
  int error = Begin(Operation::kWrite, file->name());
  if (is_down_) return error;
  if (error == 0 && capacity_ != ~uint64_t{0}) {
    const uint64_t grows = std::max(file->size(), offset + data.size()) - file->size();
    if (used() + grows > capacity_) {
      error = ENOSPC;
      had_fault_ = true;
      log_.Add("disk: full");
    }
  }
  log_.Add("disk:   {} bytes at {}", data.size(), offset);
  // As a full disk does: some of it arrives.
  file->Write(offset, error == 0 ? data : data.first(rng_.Below(data.size() + 1) / 2));
  return error;
}

int Disk::Truncate(const File& file, uint64_t size) {
  if (const int error = Begin(Operation::kWrite, file->name()); error != 0) return error;
  log_.Add("disk:   truncated to {}", size);
  file->Truncate(size);
  return 0;
}

int Disk::Sync(const File& file) {
  const int error = Begin(Operation::kSync, file->name());
  if (is_down_) return error;
  if (error == 0) {
    file->Sync();
  } else {
    ++failed_syncs_;
    file->FailSync(options_.ending, rng_);
  }
  return options_.plant == Plant::kFailedSyncIsSaid ? 0 : error;
}

int Disk::Rename(const std::string& from, const std::string& to) {
  if (const int error = Begin(Operation::kName, to); error != 0) return error;
  const auto it = names_.find(from);
  if (it == names_.end() || !IsDirectory(DirectoryOf(to))) return ENOENT;
  if (it->second == nullptr || IsDirectory(to)) return EISDIR;
  name_changes_.push_back({NameChange::Kind::kRename, from, to, it->second});
  Apply(name_changes_.back(), names_);
  return 0;
}

int Disk::Unlink(const std::string& path) {
  const auto it = names_.find(path);
  if (it == names_.end()) return is_down_ ? EIO : ENOENT;
  if (it->second == nullptr) return EISDIR;
  if (const int error = Begin(Operation::kName, path); error != 0) return error;
  name_changes_.push_back({NameChange::Kind::kUnlink, path, {}, nullptr});
  names_.erase(it);
  return 0;
}

int Disk::MakeDirectory(const std::string& path) {
  if (names_.contains(path)) return is_down_ ? EIO : EEXIST;
  if (!IsDirectory(DirectoryOf(path))) return ENOENT;
  if (const int error = Begin(Operation::kName, path); error != 0) return error;
  name_changes_.push_back({NameChange::Kind::kMakeDirectory, path, {}, nullptr});
  names_.emplace(path, nullptr);
  return 0;
}

int Disk::SyncDirectory(const std::string& path) {
  if (!IsDirectory(path)) return ENOENT;
  if (const int error = Begin(Operation::kSyncNames, path); error != 0) return error;
  if (options_.plant == Plant::kNameSyncDoesNothing) return 0;
  std::vector<bool> chosen;
  for (const NameChange& change : name_changes_) chosen.push_back(Touches(change, path));
  Settle(std::move(chosen));
  return 0;
}

std::vector<std::string> Disk::List(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [path, file] : names_) {
    if (path.size() > directory.size() && DirectoryOf(path) == directory)
      names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

bool Disk::IsDirectory(const std::string& path) const {
  const auto it = names_.find(path);
  return it != names_.end() && it->second == nullptr;
}

Disk::File Disk::Find(const std::string& path) const {
  const auto it = names_.find(path);
  return it != names_.end() ? it->second : nullptr;
}

void Disk::Restart(bool lose_power) {
  if (options_.plant == Plant::kKillLosesCache) lose_power = true;
  if (lose_power) {
    const size_t first_lost = rng_.Below(name_changes_.size() + 1);
    std::vector<bool> chosen;
    for (size_t i = 0; i < name_changes_.size(); ++i)
      chosen.push_back(options_.names_in_order ? i < first_lost : rng_.Chance(0.5));
    Settle(std::move(chosen));
    name_changes_.clear();
    names_ = durable_names_;
    DropUnreachable();
    durable_names_ = names_;
    for (const auto& [path, file] : names_) {
      if (file != nullptr) file->LosePower(options_.ending, rng_);
    }
  }
  for (const auto& [path, file] : names_) {
    if (file != nullptr && !options_.stale_pages_outlive_process) file->EvictStale();
  }
  log_.Add("-- {} --", lose_power ? "power was lost" : "the process ended");
  for (const auto& [path, file] : names_)
    log_.Add("   {} {}", path, file != nullptr ? file->size() : 0);
  is_down_ = false;
  changes_left_ = ~uint64_t{0};
  Heal();
  had_fault_ = false;
  had_limit_ = false;
}

void Disk::Plan(Fault fault) {
  fault_ = std::move(fault);
  matching_ = 0;
}

void Disk::Heal() {
  fault_ = Fault();
  capacity_ = ~uint64_t{0};
}

uint64_t Disk::used() const {
  uint64_t used = 0;
  for (const auto& [path, file] : names_) used += file != nullptr ? file->used() : 0;
  return used;
}

bool Disk::Touches(const NameChange& change, const std::string& directory) const {
  return DirectoryOf(change.from) == directory ||
         (change.kind == NameChange::Kind::kRename && DirectoryOf(change.to) == directory);
}

void Disk::Apply(const NameChange& change, Names& names) {
  switch (change.kind) {
    case NameChange::Kind::kMake:
    case NameChange::Kind::kMakeDirectory:
      names[change.from] = change.file;
      break;
    case NameChange::Kind::kRename:
      names.erase(change.from);
      names[change.to] = change.file;
      break;
    case NameChange::Kind::kUnlink:
      names.erase(change.from);
      break;
  }
}

void Disk::Settle(std::vector<bool> chosen) {
  for (size_t i = name_changes_.size(); i-- > 0;) {
    if (!chosen[i]) continue;
    const NameChange& later = name_changes_[i];
    for (size_t j = 0; j < i; ++j) {
      const NameChange& earlier = name_changes_[j];
      for (const std::string* name : {&later.from, &later.to}) {
        if (!name->empty() && (*name == earlier.from || *name == earlier.to)) chosen[j] = true;
      }
    }
  }
  std::vector<NameChange> rest;
  for (size_t i = 0; i < name_changes_.size(); ++i) {
    if (chosen[i]) {
      Apply(name_changes_[i], durable_names_);
    } else {
      rest.push_back(std::move(name_changes_[i]));
    }
  }
  name_changes_ = std::move(rest);
}

void Disk::DropUnreachable() {
  // A directory comes before what is in it.
  for (auto it = names_.begin(); it != names_.end();) {
    const bool is_lost = it->first != kRoot && !IsDirectory(DirectoryOf(it->first));
    it = is_lost ? names_.erase(it) : std::next(it);
  }
}

}  // namespace blobd::faults
