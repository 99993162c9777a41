#include "engine/upload_table.h"

#include <utility>

namespace blobd::engine {

UploadTable::UploadTable(Timers& timers, Source source, Cut cut)
    : timers_(timers), source_(std::move(source)), cut_(std::move(cut)) {}

UploadTable::~UploadTable() {
  if (timer_ != 0) timers_.CancelTimer(timer_);
}

void UploadTable::List(UniqueFunction<void(UploadsView)> done) {
  source_([this, done = std::move(done)](Snapshot snapshot) mutable {
    done(Sample(std::move(snapshot)));
  });
}

void UploadTable::Wake() {
  if (!std::exchange(rests_, false)) return;
  total_ = {};  // the last samples may be of long ago
  Arm(Duration::zero());
}

void UploadTable::Disconnect(const NodeId& node, UniqueFunction<void(bool)> done) {
  if (!cut_) return done(false);
  cut_(node, std::move(done));
}

// One question at a time: the next is due some time after the answer.
void UploadTable::Arm(Duration delay) {
  timer_ = timers_.AddTimer(timers_.Now() + delay, [this] {
    timer_ = 0;
    List([this](const UploadsView& view) {
      rests_ = view.nodes.empty() && view.rate == 0;
      if (!rests_) Arm(view.nodes.empty() ? kEndInterval : RateMeter::kSampleInterval);
    });
  });
}

UploadsView UploadTable::Sample(Snapshot snapshot) {
  const Instant now = timers_.Now();
  total_.Sample(now, snapshot.totals.sent_bytes);
  UploadsView view;
  view.totals = snapshot.totals;
  view.rate = total_.rate();
  std::map<NodeId, Meter> meters;
  for (transfer::UploadInfo& info : snapshot.nodes) {
    Meter meter;
    // A node that went and came back counts from zero again.
    if (const auto it = meters_.find(info.node); it != meters_.end() &&
                                                 it->second.since == info.since &&
                                                 it->second.sent_bytes <= info.sent_bytes) {
      meter = it->second;
    }
    meter.since = info.since;
    meter.sent_bytes = info.sent_bytes;
    meter.meter.Sample(now, info.sent_bytes);
    const double rate = meter.meter.rate();
    meters.emplace(info.node, meter);
    view.nodes.push_back({info, rate});
  }
  meters_ = std::move(meters);
  return view;
}

}  // namespace blobd::engine
