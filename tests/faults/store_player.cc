#include "store_player.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "bao/tree.h"

namespace blobd::faults {

using store::BlobInfo;
using store::BlobState;
using store::kGroupSize;
using store::TestBlob;

namespace {

// Made once: the same for every seed.
const std::vector<TestBlob>& AllBlobs() {
  static const std::vector<TestBlob> blobs = [] {
    const size_t sizes[] = {1,
                            1000,
                            kGroupSize,
                            kGroupSize + 1,
                            3 * kGroupSize,
                            9 * kGroupSize + 77,
                            17 * kGroupSize - 1,
                            20 * kGroupSize,
                            33 * kGroupSize + 5000,
                            64 * kGroupSize,
                            100 * kGroupSize + 1};
    std::vector<TestBlob> made;
    uint64_t seed = 1000;
    for (const size_t size : sizes) {
      for (int i = 0; i < 2; ++i) made.emplace_back(size, seed++);
    }
    return made;
  }();
  return blobs;
}

constexpr size_t kDownloads = 3;
constexpr uint64_t kMostUnpublished = 8;  // groups, when a download writes on

}  // namespace

class StorePlayer::SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(Turns& turns) : turns_(turns) {}
  Instant Now() const override { return turns_.now(); }
  WallTime WallNow() const override {
    return {1'790'000'000'000 + static_cast<int64_t>(turns_.now().nanos() / 1'000'000)};
  }

 private:
  Turns& turns_;
};

struct StorePlayer::Download {
  BlobModel* model = nullptr;
  std::shared_ptr<store::BlobWriter> writer;
  RangeSet missing;
  RangeSet unpublished;
  bool is_finishing = false;
  bool is_lie = false;    // about the size
  uint64_t removals = 0;  // of the blob, when the writer was opened
};

struct StorePlayer::Importing {
  BlobModel* model = nullptr;
  std::unique_ptr<store::Import> import;
  bool make_private = false;
  size_t done = 0;
  bool is_finishing = false;
};

StorePlayer::StorePlayer(Bench& bench, const std::string& directory, const std::string& vfs)
    : bench_(bench),
      directory_(directory),
      layout_(directory),
      files_(bench.disk, bench.rng),
      clock_(std::make_unique<SimulatedClock>(bench.turns)) {
  options_.vfs = vfs;
  options_.clock = clock_.get();
  constexpr uint64_t kBounds[] = {64, 64, 128, 1024};
  options_.unsynced_bytes = kBounds[bench.rng.Below(4)] * kGroupSize;
  const std::vector<TestBlob>& blobs = AllBlobs();
  const size_t count = 2 + bench.rng.Below(5);
  const size_t first = bench.rng.Below(blobs.size());
  for (size_t i = 0; i < count; ++i) {
    models_.emplace_back();
    models_.back().blob = &blobs[(first + i * 5) % blobs.size()];
  }
}

StorePlayer::~StorePlayer() { Die(); }

bool StorePlayer::Open() {
  answers_ = bench_.turns.MakeQueue();
  workers_ = std::make_unique<loop::WorkerPool>(2);
  auto store = store::DiskStore::Open(directory_, *workers_, files_, options_);
  if (bench_.is_over()) return false;
  if (store.ok()) {
    store_ = std::move(*store);
    return true;
  }
  if (!failures_are_right()) bench_.Fail("the store does not open: {}", store.status().ToString());
  return false;
}

void StorePlayer::Die() {
  importing_ = nullptr;
  // What waits in the store for the end of a download holds that, and with its writer the store.
  for (const auto& download : downloads_) download->writer = nullptr;
  downloads_.clear();
  store_ = nullptr;
  workers_ = nullptr;
  answers_ = nullptr;
  for (BlobModel& model : models_) model.ProcessEnded();
}

void StorePlayer::Check(bool lost_power, bool had_fault) {
  uint64_t lost = 0;
  for (BlobModel& model : models_) {
    const auto info = bench_.Await<StatusOr<BlobInfo>>(
        [&](auto done) { store_->Lookup(model.blob->hash, *answers_, std::move(done)); });
    if (bench_.is_over()) return;
    if (!info->ok()) {
      if (!failures_are_right()) Expect(model, info->status(), "look at");
      return;
    }
    // Looking is work: what is in doubt is read and synced, and the disk may fail at that.
    had_fault = had_fault || bench_.disk.had_fault();
    lost += model.CheckAfter(**info, lost_power, had_fault, bench_);
    Read(model);
    if (bench_.is_over()) return;
    if ((*info)->state == BlobState::kComplete) CheckFiles(model);
  }
  bench_.log.Add("check: {} groups are to be fetched again", lost);
  const uint64_t bound = options_.unsynced_bytes / kGroupSize + carried_groups_;
  if (lost > bound && !had_fault)
    bench_.Fail("{} groups are to be fetched again, the bound is {}", lost, bound);
  carried_groups_ = 0;
  for (const BlobModel& model : models_) {
    RangeSet unsafe = model.seen;
    unsafe.RemoveAll(model.safe);
    carried_groups_ += lost_power ? 0 : unsafe.Count();
  }
  published_groups_ = 0;
}

void StorePlayer::CheckFiles(const BlobModel& model) {
  if (!model.rotten.empty() || model.blob->size() <= kGroupSize) return;
  const store::FilePair paths = layout_.Complete(model.blob->hash);
  const Disk::File data = bench_.disk.Find(paths.data);
  const Disk::File outboard = bench_.disk.Find(paths.outboard);
  if (data == nullptr || outboard == nullptr)
    return bench_.Fail("blob {}: a complete blob has no files", model.name());
  if (data->cache().bytes != model.blob->content || outboard->cache().bytes != model.blob->outboard)
    bench_.Fail("blob {}: a complete blob has wrong files", model.name());
}

void StorePlayer::Expect(const BlobModel& model, const Status& status, const char* what) {
  if (status.ok() || failures_are_right() || model.was_rotten || model.is_leaving) return;
  bench_.Fail("blob {} cannot {}: {}", model.name(), what, status.ToString());
}

void StorePlayer::Step() {
  Rng& rng = bench_.rng;
  if (published_groups_ >= options_.unsynced_bytes / kGroupSize / 4) {
    // The bound holds for a disk that is as fast as what comes in. Half of it starts a sync; the
    // other half is for what comes meanwhile: here less than a quarter and one publication.
    bench_.Drain();
    published_groups_ = 0;
    if (bench_.is_over()) return;
  }
  const uint64_t draw = rng.Below(100);
  if (draw < 10 && downloads_.size() < kDownloads) return StartDownload(Draw());
  if (draw < 70 && !downloads_.empty())
    return StepDownload(*downloads_[rng.Below(downloads_.size())]);
  if (draw < 74) return PutSmall(Draw());
  if (draw < 77 && importing_ == nullptr) return StartImport(Draw());
  if (draw < 82) return StepImport();
  if (draw < 84) return Withdraw(Draw());
  if (draw < 86) return SetPrivate(Draw());
  if (draw < 88) return Flush();
  if (draw < 91) return Read(Draw());
  if (draw < 94) return Look(Draw());
  if (draw < 96) return Remove(Draw());
  bench_.turns.Advance(milliseconds(1 + rng.Below(4000)));
  store_->Tick();
}

void StorePlayer::Look(BlobModel& model) {
  auto seen = [this, &model](StatusOr<BlobInfo> info) {
    if (!info.ok()) return Expect(model, info.status(), "be looked at");
    model.See(*info, failures_are_right(), bench_);
  };
  store_->Lookup(model.blob->hash, *answers_, Answer<StatusOr<BlobInfo>>(seen));
}

void StorePlayer::StartDownload(BlobModel& model) {
  auto download = std::make_shared<Download>();
  download->model = &model;
  download->removals = model.removals;
  download->is_finishing = true;  // until it has a writer
  downloads_.push_back(download);
  bench_.log.Add("download of {} begins", model.name());
  auto opened = [this, download](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
    if (!writer.ok()) {
      EndDownload(download.get());
      if (writer.status().code() == StatusCode::kAlreadyExists) return Look(*download->model);
      return Expect(*download->model, writer.status(), "be opened for writing");
    }
    download->writer = *std::move(writer);
    download->is_finishing = false;
    const TestBlob& blob = *download->model->blob;
    // What the store has is left out, as it was when the writer was opened or a little earlier.
    download->missing = download->model->seen.Missing({0, blob.group_count()});
    uint64_t claim = blob.size();
    if (gives_up_ && blob.group_count() > 2 && bench_.rng.Chance(0.05)) {
      // A lie under which the left half verifies.
      const uint64_t half = std::bit_floor(blob.group_count() - 1);
      claim = half * kGroupSize + 1 + bench_.rng.Below(half * kGroupSize);
      download->missing = download->missing.Intersection(Range{0, half});
      download->is_lie = true;
    }
    download->writer->ClaimSize(claim);
  };
  Look(model);
  using Opened = StatusOr<std::shared_ptr<store::BlobWriter>>;
  store_->OpenWriter(model.blob->hash, *answers_, Answer<Opened>(opened));
}

void StorePlayer::StepDownload(Download& download) {
  if (download.is_finishing) return;
  if (gives_up_ && bench_.rng.Chance(0.02)) {
    bench_.log.Add("download of {} is given up", download.model->name());
    return EndDownload(&download);
  }
  if (!download.missing.empty()) return WriteGroups(download);
  if (download.is_lie) {
    Publish(download);
    return EndDownload(&download);
  }
  const auto it = std::find_if(downloads_.begin(), downloads_.end(),
                               [&](const auto& other) { return other.get() == &download; });
  FinishDownload(*it);
}

void StorePlayer::WriteGroups(Download& download) {
  Rng& rng = bench_.rng;
  const TestBlob& blob = *download.model->blob;
  const std::vector<Range> ranges = download.missing.ranges();
  const Range& range = ranges[rng.Below(ranges.size())];
  const uint64_t first = rng.Chance(0.5) ? range.begin : range.begin + rng.Below(range.size());
  const uint64_t end = std::min(range.end, first + 1 + rng.Below(8));
  std::vector<store::VerifiedGroup> groups;
  std::vector<store::OutboardPair> pairs;
  for (uint64_t group = first; group < end; ++group) {
    groups.push_back(blob.Group(group));
    for (const store::OutboardPair& pair : blob.Path(group)) pairs.push_back(pair);
  }
  bench_.log.Add("write {} [{}, {})", download.model->name(), first, end);
  const Status status = download.writer->Write(groups, pairs);
  if (bench_.is_over()) return;
  if (!status.ok()) {
    Expect(*download.model, status, "be written");
    return EndDownload(&download);
  }
  download.missing.Remove({first, end});
  download.unpublished.Insert({first, end});
  if (end == blob.group_count()) download.writer->ProveSize(blob.size());
  if (rng.Chance(0.5) || download.unpublished.Count() >= kMostUnpublished) Publish(download);
}

void StorePlayer::Publish(Download& download) {
  bench_.log.Add("publish {} {}", download.model->name(), download.unpublished.ToString());
  download.writer->Publish();
  if (bench_.is_over()) return;
  published_groups_ += download.unpublished.Count();
  download.unpublished = RangeSet();
  Look(*download.model);
}

void StorePlayer::FinishDownload(const std::shared_ptr<Download>& download) {
  BlobModel& model = *download->model;
  published_groups_ += download->unpublished.Count();
  download->is_finishing = true;
  download->writer->ProveSize(model.blob->size());
  bench_.log.Add("finish {}", model.name());
  auto finished = [this, download, &model](const Status& status) {
    bench_.log.Add("finish {}: {}", model.name(), status.ToString());
    EndDownload(download.get());
    if (status.ok()) return model.Finished();
    const bool was_removed = model.removals != download->removals;
    if (was_removed && status.code() == StatusCode::kUnavailable) return;
    Expect(model, status, "be finished");
    Look(model);
  };
  download->writer->Finish(*answers_, Answer<Status>(finished));
}

void StorePlayer::EndDownload(const Download* download) {
  std::erase_if(downloads_, [&](const auto& other) { return other.get() == download; });
}

void StorePlayer::PutSmall(BlobModel& model) {
  if (model.blob->size() > kGroupSize) return;
  auto put = [this, &model](const Status& status) {
    bench_.log.Add("put {}: {}", model.name(), status.ToString());
    if (status.ok()) return model.Finished();
    Expect(model, status, "be put");
  };
  store_->PutSmall(model.blob->hash, model.blob->content, *answers_, Answer<Status>(put));
}

void StorePlayer::StartImport(BlobModel& model) {
  auto started = [this, &model](StatusOr<std::unique_ptr<store::Import>> import) {
    if (!import.ok()) return Expect(model, import.status(), "be imported");
    if (importing_ != nullptr) return;
    importing_ = std::make_unique<Importing>();
    importing_->model = &model;
    importing_->import = *std::move(import);
    importing_->make_private = bench_.rng.Chance(0.2);
    if (importing_->make_private) importing_->import->MakePrivate();
  };
  store_->StartImport(*answers_, Answer<StatusOr<std::unique_ptr<store::Import>>>(started));
}

void StorePlayer::StepImport() {
  if (importing_ == nullptr || importing_->is_finishing) return;
  Importing& importing = *importing_;
  BlobModel& model = *importing.model;
  const Bytes& content = model.blob->content;
  if (importing.done < content.size()) {
    const size_t size = 1 + bench_.rng.Below(content.size() - importing.done);
    const Status status = importing.import->Append(ByteView(content).subspan(importing.done, size));
    if (bench_.is_over()) return;
    importing.done += size;
    if (status.ok()) return;
    Expect(model, status, "be imported");
    importing_ = nullptr;
    return;
  }
  importing.is_finishing = true;
  if (importing.make_private) model.Wished(true);
  auto finished = [this, &model, make_private = importing.make_private,
                   removals = model.removals](StatusOr<store::Import::Result> result) {
    importing_ = nullptr;
    bench_.log.Add("import {}: {}", model.name(), result.status().ToString());
    if (make_private) model.WishAnswered(true, result.ok());
    const bool was_removed = model.removals != removals;
    if (was_removed && result.status().code() == StatusCode::kUnavailable) return;
    if (!result.ok()) return Expect(model, result.status(), "be imported");
    if (result->hash != model.blob->hash) bench_.Fail("an import has another hash");
    model.Finished();
  };
  importing.import->Finish(*answers_, Answer<StatusOr<store::Import::Result>>(finished));
}

// Bytes go bad that the store claims, and that nobody is about to write.
void StorePlayer::Rot(BlobModel& model) {
  const bool is_written = std::any_of(downloads_.begin(), downloads_.end(),
                                      [&](const auto& other) { return other->model == &model; });
  if (is_written || bench_.disk.had_fault() || model.seen.empty()) return;
  Disk::File data = bench_.disk.Find(layout_.Complete(model.blob->hash).data);
  if (data == nullptr) data = bench_.disk.Find(layout_.Partial(model.blob->hash).data);
  const std::vector<Range>& ranges = model.seen.ranges();
  const uint64_t group = ranges[bench_.rng.Below(ranges.size())].begin;
  if (data == nullptr || data->size() <= group * kGroupSize) return;
  bench_.log.Add("rot {} group {}", model.name(), group);
  data->Rot(group * kGroupSize);
  model.rotten.Insert({group, group + 1});
  model.was_rotten = true;
}

void StorePlayer::RotDatabase() {
  const Disk::File database = bench_.disk.Find(layout_.database());
  if (database == nullptr || database->size() == 0) return;
  bench_.log.Add("rot store.db");
  database->Rot(0);
  // One whose row power loss took is found by its files, and nobody knows that it was not private.
  for (BlobModel& model : models_) {
    if (!model.is_complete) model.is_private.insert(true);
  }
}

void StorePlayer::Withdraw(BlobModel& model) {
  // Often harmless: only what does not fit is taken back.
  if (bench_.rng.Chance(0.6)) Rot(model);
  auto withdrawn = [this, &model, rotten = model.rotten](const Status& status) {
    bench_.log.Add("withdraw {}: {}", model.name(), status.ToString());
    if (!status.ok()) return Expect(model, status, "be withdrawn");
    if (model.rotten == rotten) model.Withdrawn();
  };
  store_->Withdraw(model.blob->hash, RangeSet::All(), *answers_, Answer<Status>(withdrawn));
}

void StorePlayer::Remove(BlobModel& model) {
  if (model.is_leaving) return;
  model.is_leaving = true;
  auto removed = [this, &model](const StatusOr<uint64_t>& freed) {
    bench_.log.Add("remove {}: {}", model.name(), freed.status().ToString());
    if (freed.ok()) return model.Removed();
    const bool is_refused = freed.status().code() == StatusCode::kNotFound ||
                            freed.status().code() == StatusCode::kFailedPrecondition ||
                            freed.status().code() == StatusCode::kUnimplemented;
    if (is_refused) {
      model.is_leaving = false;
      return;
    }
    // Either whole or gone: it goes on leaving until the next life looks.
    if (!failures_are_right()) bench_.Fail("cannot remove: {}", freed.status().ToString());
  };
  store_->Remove(model.blob->hash, *answers_, Answer<StatusOr<uint64_t>>(removed));
}

void StorePlayer::SetPrivate(BlobModel& model) {
  const bool wanted = bench_.rng.Chance(0.5);
  model.Wished(wanted);
  auto set = [this, &model, wanted](const Status& status) {
    bench_.log.Add("private {} {}: {}", model.name(), wanted, status.ToString());
    model.WishAnswered(wanted, status.ok());
    if (status.code() != StatusCode::kNotFound) Expect(model, status, "be made private");
  };
  store_->SetPrivate(model.blob->hash, wanted, *answers_, Answer<Status>(set));
}

void StorePlayer::Flush() {
  std::vector<RangeSet> seen;
  for (const BlobModel& model : models_) seen.push_back(model.seen);
  auto flushed = [this, seen](const Status& status) {
    bench_.log.Add("flush: {}", status.ToString());
    if (!status.ok()) return Expect(models_[0], status, "be flushed");
    for (size_t i = 0; i < models_.size(); ++i) {
      // A sync that failed may have taken groups back before, and somebody written them again.
      if (bench_.disk.had_fault()) continue;
      models_[i].safe.InsertAll(seen[i].Intersection(models_[i].seen));
    }
  };
  store_->Flush(*answers_, Answer<Status>(flushed));
}

// What a sync that failed has dropped is taken back by a task that comes after it, and a reader of
// before says nothing. (A kernel goes on showing it for longer than that.)
void StorePlayer::Read(BlobModel& model) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t failed_syncs = bench_.disk.failed_syncs();
    RangeSet excused = model.rotten;
    const auto reader = bench_.Await<StatusOr<std::shared_ptr<store::BlobReader>>>(
        [&](auto done) { store_->OpenReader(model.blob->hash, *answers_, std::move(done)); });
    if (bench_.is_over()) return;
    excused.InsertAll(model.rotten);
    if (bench_.disk.had_fault()) bench_.Drain();
    if (bench_.is_over()) return;
    if (bench_.disk.failed_syncs() != failed_syncs) continue;
    if (reader->ok()) return model.CheckBytes(***reader, excused, bench_);
    if (reader->status().code() == StatusCode::kNotFound && model.seen.empty()) return;
    return Expect(model, reader->status(), "be read");
  }
}

void StorePlayer::Close() {
  bench_.Drain();
  if (bench_.is_over()) return;
  importing_ = nullptr;
  downloads_.clear();
  bench_.Drain();
  store_ = nullptr;
  bench_.Drain();
}

void StorePlayer::FinishAll() {
  gives_up_ = false;
  for (BlobModel& model : models_) {
    if (!model.rotten.empty()) {
      const auto status = bench_.Await<Status>([&](auto done) {
        store_->Withdraw(model.blob->hash, RangeSet::All(), *answers_, std::move(done));
      });
      if (bench_.is_over()) return;
      if (!status->ok()) return bench_.Fail("cannot withdraw: {}", status->ToString());
      model.Withdrawn();
    }
    for (int i = 0; i < 3 && !model.is_complete && !bench_.is_over(); ++i) {
      Look(model);
      bench_.Drain();
      StartDownload(model);
      bench_.Drain();
      while (!downloads_.empty() && !downloads_[0]->is_finishing && !bench_.is_over()) {
        StepDownload(*downloads_[0]);
        bench_.Drain();
      }
      Look(model);
      bench_.Drain();
      model.is_complete = model.is_complete || model.looks_complete;
    }
    if (!bench_.is_over() && !model.is_complete) bench_.Fail("blob {} cannot be got", model.name());
  }
  Check(false, false);
  if (bench_.is_over()) return;
  Close();
  for (const std::string& name : bench_.disk.List(layout_.partial()))
    bench_.Fail("{} is left in partial/", name);
}

}  // namespace blobd::faults
