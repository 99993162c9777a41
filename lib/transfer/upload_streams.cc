// UploadCore: the life of a stream.
#include <utility>

#include "transfer/upload_core.h"
#include "wire/request.h"

namespace blobd::transfer {
namespace {

using Next = Produced::Next;
using Phase = ServeStream::Phase;

// The kind of a Push, which is refused before the rest of it comes (protocol/blobs.md,
// section 3.1).
constexpr uint8_t kPushKind = 8;
constexpr uint64_t kStreamDropped = 0;

}  // namespace

// What a session sees of us, from its strand: every call is posted.
class UploadCore::Port final : public ServePort {
 public:
  Port(const std::shared_ptr<UploadCore>& core, uint64_t number)
      : core_(core),
        network_(core->deps_.network),
        control_(core->deps_.control),
        sink_(core->sink_),
        number_(number) {}

  void OnProduced(Produced produced) override {
    Post([number = number_, produced = std::move(produced)](UploadCore& core) mutable {
      core.OnProduced(number, std::move(produced));
    });
  }
  void OnNews() override {
    Post([number = number_](UploadCore& core) { core.OnNews(number); });
  }
  void OnRotten(const Hash& hash, const RangeSet& groups) override {
    control_.Post([core = core_, sink = sink_, hash, groups] {
      if (!core.expired()) sink->OnRotten(hash, groups);
    });
  }

 private:
  template <typename F>
  void Post(F f) {
    network_.Post([core = core_, f = std::move(f)]() mutable {
      const auto alive = core.lock();
      if (alive != nullptr && alive->endpoint_ != nullptr) f(*alive);
    });
  }

  const std::weak_ptr<UploadCore> core_;
  Executor& network_;
  Executor& control_;
  UploadSink* const sink_;
  const uint64_t number_;
};

ServeStream* UploadCore::Find(uint64_t number) {
  const auto it = streams_.find(number);
  return it == streams_.end() ? nullptr : it->second.get();
}

quic::StreamHandler* UploadCore::OnStreamOpened(quic::ConnectionId id, quic::StreamId stream) {
  const auto connection = connections_.find(id);
  Node* node = connection == connections_.end() ? nullptr : &nodes_.at(connection->second);
  if (draining_ || node == nullptr || node->streams.size() >= options_.streams_per_node) {
    ++totals_.refused;
    to_refuse_.emplace_back(id, stream);
    WantPump();
    return &refused_;
  }
  const uint64_t number = next_number_++;
  ServeStream::Owner& owner = *this;
  auto opened = std::make_unique<ServeStream>(owner, number, connection->second, id, stream, Now());
  quic::StreamHandler* const handler = opened.get();
  streams_[number] = std::move(opened);
  node->streams.insert(number);
  ArmTick();
  return handler;
}

// ---- The request ----

void UploadCore::OnRequestBytes(ServeStream& stream, ByteView bytes) {
  if (stream.phase != Phase::kRequest) return;  // without credit, little more of it can come
  endpoint_->Consumed(stream.connection, stream.stream, bytes.size());
  if (stream.request.size() + bytes.size() > wire::kMaxRequestSize) return EndUnread(stream);
  stream.request.insert(stream.request.end(), bytes.begin(), bytes.end());
  if (!stream.request.empty() && stream.request.front() == kPushKind) {
    ++totals_.refused;
    return Reset(stream, kServeResetPermission);
  }
  CountRequestMemory(stream, stream.request.capacity());
  ReclaimRequestMemory();
}

void UploadCore::OnRequestComplete(ServeStream& stream) {
  if (stream.phase != Phase::kRequest) return;
  stream.phase = Phase::kAnswer;
  ++totals_.requests;
  ++nodes_.at(stream.node).info.requests;
  stream.strand = deps_.make_strand();
  stream.session = std::make_shared<ServeSession>(
      ServeContext{deps_.store, readers_, stream.strand,
                   std::make_shared<Port>(shared_from_this(), stream.number)},
      std::exchange(stream.request, Bytes()));
  queue_.Add(stream.number, stream.node, WeightOf(stream.node));
  WantPump();
}

void UploadCore::OnRequestReset(ServeStream& stream) { Reset(stream, kStreamDropped); }

void UploadCore::CountRequestMemory(ServeStream& stream, size_t bytes) {
  Node& node = nodes_.at(stream.node);
  node.request_memory = node.request_memory - stream.request_memory + bytes;
  request_memory_ = request_memory_ - stream.request_memory + bytes;
  stream.request_memory = bytes;
}

// Who holds most pays, so that nobody can keep others out by holding the budget. Linear in nodes
// and in the streams of one, but only once for as many bytes as it takes back.
void UploadCore::ReclaimRequestMemory() {
  while (request_memory_ > options_.request_budget) {
    const Node* most = nullptr;
    for (const auto& [id, node] : nodes_) {
      if (most == nullptr || node.request_memory > most->request_memory) most = &node;
    }
    ServeStream* largest = nullptr;
    for (const uint64_t number : most->streams) {
      ServeStream& stream = *streams_.at(number);
      if (largest == nullptr || stream.request_memory > largest->request_memory) largest = &stream;
    }
    ++totals_.refused;
    Reset(*largest, kServeResetLimit);
  }
}

// ---- The answer ----

void UploadCore::OnProduced(uint64_t number, Produced produced) {
  WantPump();
  ServeStream* stream = Find(number);
  const bool is_over = stream == nullptr || stream->phase != Phase::kAnswer;
  if (is_over) produced.bytes.clear();
  const bool wants_more = !is_over && produced.next == Next::kMore;
  queue_.OnRead(number, produced.bytes.size(), wants_more && !produced.observes, Now());
  if (is_over) return;
  if (produced.observes && !CountObserver(*stream)) return;
  if (wants_more && produced.observes) PaceNews(number);
  if (produced.next == Next::kReset) {
    if (produced.reset_code == kServeResetInternal) ++totals_.failed;
    if (produced.reset_code == kServeResetPermission) ++totals_.refused;
    return Reset(*stream, produced.reset_code);
  }
  const bool fin = produced.next == Next::kFinish;
  CountRequestMemory(*stream, fin ? 0 : produced.request_memory);
  if (fin || !produced.bytes.empty()) Send(*stream, std::move(produced.bytes), fin);
  ReclaimRequestMemory();
}

bool UploadCore::CountObserver(ServeStream& stream) {
  if (stream.observes) return true;
  Node& node = nodes_.at(stream.node);
  if (draining_ || node.observers >= options_.observers_per_node) {
    ++totals_.refused;
    Reset(stream, kServeResetLimit);
    return false;
  }
  ++node.observers;
  stream.observes = true;
  return true;
}

void UploadCore::OnNews(uint64_t number) {
  const ServeStream* stream = Find(number);
  if (stream != nullptr && stream->phase == Phase::kAnswer) PaceNews(number);
}

void UploadCore::Send(ServeStream& stream, Bytes bytes, bool fin) {
  if (stream.unacknowledged == 0) stream.last_progress = Now();
  stream.unacknowledged += bytes.size();
  if (fin) {
    stream.phase = Phase::kEnding;
    CloseSession(stream);
  }
  if (!bytes.empty() && (IsLimited() || !stream.held.empty())) {
    Hold(stream, std::move(bytes));
  } else if (stream.held.empty()) {
    return SendNow(stream, std::move(bytes), fin);
  }
  stream.fin_held = fin;
}

void UploadCore::SendNow(ServeStream& stream, Bytes bytes, bool fin) {
  const uint64_t number = stream.number;
  const Status sent = endpoint_->Send(stream.connection, stream.stream, std::move(bytes), fin);
  if (sent.ok()) return;
  if (ServeStream* still = Find(number)) Reset(*still, kStreamDropped);
}

// FIN tells that there is no answer. What the peer still sends is not read, and soon stopped.
void UploadCore::EndUnread(ServeStream& stream) {
  stream.request = Bytes();
  CountRequestMemory(stream, 0);
  const uint64_t number = stream.number;
  Send(stream, Bytes(), true);
  if (ServeStream* still = Find(number)) still->phase = Phase::kUnread;
}

void UploadCore::Finish(ServeStream& stream) { Send(stream, Bytes(), true); }

void UploadCore::OnAcknowledged(ServeStream& stream, uint64_t bytes) {
  bytes = std::min(bytes, stream.unacknowledged);
  stream.unacknowledged -= bytes;
  stream.last_progress = Now();
  totals_.sent_bytes += bytes;
  nodes_.at(stream.node).info.sent_bytes += bytes;
  queue_.OnAcknowledged(stream.number, bytes, Now());
  WantPump();
}

// ---- Its end ----

void UploadCore::OnGone(ServeStream& stream) { Forget(stream); }

void UploadCore::Reset(ServeStream& stream, uint64_t code) {
  endpoint_->StopStream(stream.connection, stream.stream, code);
  Forget(stream);
}

// The session may hold an open file, which the network loop does not close.
void UploadCore::CloseSession(ServeStream& stream) {
  if (stream.session == nullptr) return;
  stream.strand->Post([session = std::exchange(stream.session, nullptr)] { session->Close(); });
}

void UploadCore::Forget(ServeStream& stream) {
  CountRequestMemory(stream, 0);
  DropHeld(stream);
  Node& node = nodes_.at(stream.node);
  node.streams.erase(stream.number);
  if (stream.observes) --node.observers;
  CloseSession(stream);
  queue_.Remove(stream.number);
  auto it = streams_.find(stream.number);
  forgotten_.push_back(std::move(it->second));
  streams_.erase(it);
  WantPump();
}

}  // namespace blobd::transfer
