#include "quic/link.h"

#include <algorithm>
#include <utility>

namespace blobd::quic {

EndpointImpl::Link::~Link() {
  for (const Cid& cid : cids) endpoint_.by_cid_.erase(cid);
  if (timer != 0) endpoint_.loop_.CancelTimer(timer);
}

void EndpointImpl::Link::OnCidAdded(const Cid& cid) {
  cids.push_back(cid);
  endpoint_.by_cid_[cid] = this;
}

void EndpointImpl::Link::OnCidRetired(const Cid& cid) {
  cids.erase(std::remove(cids.begin(), cids.end(), cid), cids.end());
  endpoint_.by_cid_.erase(cid);
}

void EndpointImpl::Link::OnReady() {
  if (!visiting()) return;  // Settle sees who has won
  if (Peer* peer = endpoint_.Find(owner_)) endpoint_.Announce(*peer);
}

void EndpointImpl::Link::OnStreamOpened(StreamId stream) {
  Peer* peer = endpoint_.Find(owner_);
  if (peer != nullptr && visiting()) endpoint_.OpenServed(*peer, stream);
}

// Streams that we opened have a reader, those of the peer a handler.
StreamReader* EndpointImpl::Link::Reader(StreamId stream) {
  Peer* peer = endpoint_.Find(owner_);
  if (peer == nullptr) return nullptr;
  const auto found = peer->readers.find(stream);
  return found == peer->readers.end() ? nullptr : found->second;
}

StreamReader* EndpointImpl::Link::TakeReader(StreamId stream) {
  StreamReader* reader = Reader(stream);
  if (reader != nullptr) endpoint_.Find(owner_)->readers.erase(stream);
  return reader;
}

EndpointImpl::Served* EndpointImpl::Link::FindServed(StreamId stream) {
  Peer* peer = endpoint_.Find(owner_);
  if (peer == nullptr) return nullptr;
  const auto found = peer->served.find(stream);
  return found == peer->served.end() ? nullptr : &found->second;
}

void EndpointImpl::Link::OnStreamData(StreamId stream, ByteView bytes) {
  if (StreamReader* reader = Reader(stream)) return reader->OnData(bytes);
  if (Served* served = FindServed(stream)) served->handler->OnData(bytes);
}

void EndpointImpl::Link::OnStreamFin(StreamId stream) {
  if (StreamReader* reader = TakeReader(stream)) return reader->OnFin();
  Served* served = FindServed(stream);
  if (served != nullptr && std::exchange(served->reading, false)) served->handler->OnFin();
}

void EndpointImpl::Link::OnStreamReset(StreamId stream, uint64_t code) {
  if (StreamReader* reader = TakeReader(stream)) return reader->OnReset(code);
  Served* served = FindServed(stream);
  if (served != nullptr && std::exchange(served->reading, false)) served->handler->OnReset(code);
}

void EndpointImpl::Link::OnStreamAcknowledged(StreamId stream, uint64_t bytes) {
  if (Served* served = FindServed(stream)) served->handler->OnAcknowledged(bytes);
}

void EndpointImpl::Link::OnStreamClosed(StreamId stream, std::optional<uint64_t> code) {
  // The end of reading was told before; who has not heard it must hear of some end.
  OnStreamReset(stream, code.value_or(0));
  const Served* served = FindServed(stream);
  if (served == nullptr) return;
  StreamHandler* handler = served->handler;
  endpoint_.Find(owner_)->served.erase(stream);
  handler->OnClosed(code);
}

void EndpointImpl::Link::OnMoved(const SocketAddress& to, bool done) {
  Peer* peer = endpoint_.Find(owner_);
  if (peer == nullptr || visiting()) return;
  peer->moves.push_back({to, done, false});
  endpoint_.Mark(*peer);
}

}  // namespace blobd::quic
