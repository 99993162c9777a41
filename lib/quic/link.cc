#include "quic/link.h"

#include <algorithm>

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

void EndpointImpl::Link::OnStreamData(StreamId stream, ByteView bytes) {
  if (StreamReader* reader = Reader(stream)) reader->OnData(bytes);
}

void EndpointImpl::Link::OnStreamFin(StreamId stream) {
  if (StreamReader* reader = TakeReader(stream)) reader->OnFin();
}

void EndpointImpl::Link::OnStreamReset(StreamId stream, uint64_t code) {
  if (StreamReader* reader = TakeReader(stream)) reader->OnReset(code);
}

void EndpointImpl::Link::OnStreamClosed(StreamId stream, std::optional<uint64_t> code) {
  // The end was told before; a reader that is still there must hear of some end.
  if (StreamReader* reader = TakeReader(stream)) reader->OnReset(code.value_or(0));
}

}  // namespace blobd::quic
