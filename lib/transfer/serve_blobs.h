// ServeBlobs: the answer to a Get or a GetMany. Blobs follow each other without a gap, several
// small ones in one piece; every byte was verified on its way out (bao/encoder.h).
//
// It ends at the first blob or byte that is not held, with all before it. A private blob is one
// that is not held: the store is asked the same question about both. What does not fit its hash is
// withdrawn, and the answer ends before it as if it were not held.
//
// While too many readers are open (serve_readers.h), it has none between two pieces. What it opens
// again must still be what it was: a blob that may be served, of the size that was told. Otherwise
// the answer ends as if the rest were not held.
//
// Thread, ownership: as ServeSession.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "bao/encoder.h"
#include "transfer/serve_request.h"
#include "transfer/serve_session.h"
#include "transfer/serve_source.h"

namespace blobd::transfer {

class ServeBlobs final : public ServeAnswer, public std::enable_shared_from_this<ServeBlobs> {
 public:
  ServeBlobs(ServeContext context, ServeSelection selection, size_t request_memory);

  void Produce(size_t limit) override;
  void Close() override;

 private:
  using Reader = std::shared_ptr<store::BlobReader>;
  using Then = void (ServeBlobs::*)(Reader);

  // The blob being sent.
  struct Current {
    Current(Reader reader, const wire::ChunkRanges& wanted)
        : source(std::move(reader)), encoder(source.hash(), source.size(), wanted, source) {}
    ServeSource source;
    bao::Encoder encoder;
  };

  void Continue();
  // False: the answer has ended.
  bool Encode();
  void Locate(const ServeSelection::Place& place);
  // Opens a blob that may be served, and goes on with it; else the answer ends.
  void Open(const Hash& hash, Then then);
  void OpenKnown(const store::BlobInfo& info, Then then);
  void OnOpened(const store::BlobInfo& info, Then then, StatusOr<Reader> reader);
  void OnRoot(Reader reader);
  void OnBlob(Reader reader);
  // For a source that gave its reader back.
  void Attach(ServeSource& source, Reader reader);
  // The root is here, and attached if finding the hash takes a read.
  bool CanFind(const ServeSelection::Child& child) const;
  StatusOr<Hash> ChildHash(uint64_t number);
  // Ends the answer; the reader is closed before, since the piece under way, with which it is
  // counted, is over then.
  void EndWithout(Reader reader);
  // Ends the answer as `why` asks for; `source` is what was read, or null.
  void Fail(const Status& why, const ServeSource* source);
  void Withdraw(const store::BlobInfo& info, const RangeSet& groups);
  void Deliver(Produced::Next next, uint64_t reset_code = 0);

  const ServeContext context_;
  const size_t request_memory_;
  ServeSelection selection_;
  bool closed_ = false;
  std::unique_ptr<Current> current_;
  // The complete root of a hash sequence, and the group of its hashes that was read last.
  std::optional<ServeSource> root_;
  std::optional<uint64_t> hashes_group_;
  Bytes hashes_;

  // The piece being made.
  Bytes piece_;
  size_t used_ = 0;
  size_t opened_ = 0;  // blobs looked for
};

}  // namespace blobd::transfer
