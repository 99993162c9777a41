#include "transfer/mirror_log.h"

#include <utility>

#include "base/units.h"

namespace blobd::transfer {
namespace {

// So much of the log is read at once; its values are of 128 MiB.
constexpr uint64_t kSlice = 256 * kKiB;

}  // namespace

// Which groups a later record discards.
class MirrorLog::Discards final : public bao::CvLogSink {
 public:
  explicit Discards(RangeSet& discarded) : discarded_(discarded) {}
  void OnSize(uint64_t) override {}
  void OnSource(uint32_t, std::string_view) override {}
  void OnGroups(uint32_t, uint64_t first, std::span<const bao::ChainingValue> values) override {
    discarded_.Remove({first, first + values.size()});
  }
  void OnDiscard(Range groups) override { discarded_.Insert(groups); }

 private:
  RangeSet& discarded_;
};

// What is told of it.
class MirrorLog::Told final : public bao::CvLogSink {
 public:
  Told(MirrorLog& log, bao::CvLogSink& sink) : log_(log), sink_(sink) {}
  void OnSize(uint64_t size) override { sink_.OnSize(size); }
  void OnSource(uint32_t source, std::string_view url) override {
    log_.sources_.insert(source);
    sink_.OnSource(source, url);
  }
  void OnGroups(uint32_t source, uint64_t first,
                std::span<const bao::ChainingValue> values) override {
    const RangeSet kept = log_.discarded_.Missing({first, first + values.size()});
    for (const Range& run : kept.ranges()) {
      sink_.OnGroups(source, run.begin, values.subspan(run.begin - first, run.size()));
    }
  }
  void OnDiscard(Range) override {}

 private:
  MirrorLog& log_;
  bao::CvLogSink& sink_;
};

MirrorLog::MirrorLog(std::unique_ptr<store::File> file, const Hash& hash)
    : file_(std::move(file)), hash_(hash) {}

bool MirrorLog::Restore(bao::CvLogSink& sink) {
  if (file_ == nullptr) return false;
  if (!reader_) reader_.emplace(hash_);
  Bytes slice(is_first_pass_ ? kSlice : std::min(kSlice, good_ - read_));
  const StatusOr<size_t> count = file_->ReadAt(read_, slice);
  slice.resize(count.ok() ? *count : 0);
  read_ += slice.size();
  Discards discards(discarded_);
  Told told(*this, sink);
  bao::CvLogSink& here = is_first_pass_ ? static_cast<bao::CvLogSink&>(discards) : told;
  if (!slice.empty() && reader_->Feed(slice, here)) return true;
  if (!std::exchange(is_first_pass_, false)) {
    EndPass();
    return false;
  }
  good_ = reader_->good_bytes();
  reader_.emplace(hash_);
  read_ = 0;
  return true;
}

void MirrorLog::EndPass() {
  end_ = good_;
  reader_.reset();
  discarded_ = RangeSet();
  if (!file_->Truncate(end_).ok()) file_.reset();
}

void MirrorLog::Begin(uint64_t size) {
  sources_.clear();
  end_ = 0;
  if (file_ == nullptr) return;
  if (!file_->Truncate(0).ok()) return file_.reset();
  Append(bao::CvHeader(hash_, size));
}

void MirrorLog::Groups(bao::SourceId source, const std::string& url, uint64_t first_group,
                       std::span<const bao::ChainingValue> values) {
  if (file_ == nullptr || url.empty() || url.size() > bao::kCvMaxUrl) return;
  Bytes records;
  if (sources_.count(source) == 0) {
    if (sources_.size() >= bao::kCvMaxSources) return;
    sources_.insert(source);
    bao::AppendCvSource(source, url, &records);
  }
  bao::AppendCvGroups(source, first_group, values, &records);
  Append(records);
}

void MirrorLog::Discard(Range groups) {
  if (file_ == nullptr || end_ == 0) return;
  Bytes records;
  bao::AppendCvDiscard(groups, &records);
  Append(records);
}

void MirrorLog::Append(const Bytes& records) {
  const ByteView part = records;
  if (!file_->WriteAt(end_, {&part, 1}).ok()) return file_.reset();
  end_ += records.size();
}

}  // namespace blobd::transfer
