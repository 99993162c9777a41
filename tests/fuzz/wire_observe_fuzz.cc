// Items of an observe stream, one after the other as they lie in a buffer.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/observe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd::wire;
  blobd::ByteView rest(data, size);
  while (true) {
    const auto frame = DecodeObserveFrame(rest);
    if (!frame.ok() || !frame->has_value()) return 0;
    BLOBD_CHECK((*frame)->size > 0 && (*frame)->size <= rest.size());
    const auto encoded = EncodeObserveFrame((*frame)->item);
    BLOBD_CHECK(encoded.ok());
    const auto again = DecodeObserveFrame(*encoded);
    BLOBD_CHECK(again.ok() && again->has_value());
    BLOBD_CHECK((*again)->item == (*frame)->item);
    BLOBD_CHECK((*again)->size == encoded->size());
    rest = rest.subspan((*frame)->size);
  }
}
