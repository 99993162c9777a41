// Requests of any kind, as a provider reads them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd::wire;
  const auto decoded = DecodeRequest({data, size});
  if (!decoded.ok()) return 0;
  BLOBD_CHECK(decoded->size <= size);
  // The canonical form is never longer than what it was read from.
  const auto encoded = EncodeRequest(decoded->request);
  BLOBD_CHECK(encoded.ok());
  BLOBD_CHECK(encoded->size() <= decoded->size);
  const auto again = DecodeRequest(*encoded);
  BLOBD_CHECK(again.ok());
  BLOBD_CHECK(again->request == decoded->request);
  BLOBD_CHECK(again->size == encoded->size());
  return 0;
}
