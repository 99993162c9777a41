// Collections: hash sequences, their metadata, and the names in it. The input is also tried behind
// the magic.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file_names.h"
#include "base/utf8.h"
#include "wire/collection.h"

namespace blobd::wire {
namespace {

void TryNames(ByteView metadata) {
  const auto names = DecodeCollectionNames(metadata);
  if (!names.ok()) return;
  const Bytes encoded = EncodeCollectionNames(*names);
  BLOBD_CHECK(encoded.size() <= metadata.size());
  BLOBD_CHECK(DecodeCollectionNames(encoded).value() == *names);
  // What is wrong with names is said in text that is safe to show.
  const Status status = CheckFileNames(*names);
  BLOBD_CHECK(IsUtf8(Message(status)));
  BLOBD_CHECK(Message(status).find('\x1b') == std::string::npos);
  if (!status.ok()) return;
  for (const std::string& name : *names) {
    const std::string inside = "/" + name + "/";
    BLOBD_CHECK(inside.find("/../") == std::string::npos);
    BLOBD_CHECK(inside.find("//") == std::string::npos);
  }
  const std::vector<Hash> hashes(names->size() + 1);
  const Bytes root = EncodeHashSeq(hashes);
  const auto collection = DecodeCollection(root, metadata);
  BLOBD_CHECK(collection.ok());
  BLOBD_CHECK(EncodeCollectionRoot(*collection) == root);
}

void TryHashSeq(ByteView bytes) {
  const auto hashes = DecodeHashSeq(bytes);
  BLOBD_CHECK(hashes.ok() == (bytes.size() % 32 == 0));
  if (hashes.ok()) BLOBD_CHECK(EncodeHashSeq(*hashes) == Bytes(bytes.begin(), bytes.end()));
}

}  // namespace
}  // namespace blobd::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const blobd::ByteView bytes(data, size);
  blobd::wire::TryHashSeq(bytes);
  blobd::wire::TryNames(bytes);
  blobd::Bytes metadata(blobd::wire::kCollectionMagic.begin(), blobd::wire::kCollectionMagic.end());
  metadata.insert(metadata.end(), bytes.begin(), bytes.end());
  blobd::wire::TryNames(metadata);
  return 0;
}
