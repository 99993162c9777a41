// What is read of a node's texts, one per line, reads the same after it was written again.
#include "base/check.h"
#include "lookup/node_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using blobd::lookup::NodeRecord;
  NodeRecord record;
  std::string_view rest = blobd::AsText({data, size});
  while (!rest.empty()) {
    const size_t line = std::min(rest.find('\n'), rest.size());
    record.Read(rest.substr(0, line));
    rest.remove_prefix(std::min(line + 1, rest.size()));
  }
  BLOBD_CHECK(record.addresses.size() <= NodeRecord::kMaxAddresses);
  BLOBD_CHECK(record.relay_urls.size() <= NodeRecord::kMaxRelays);
  NodeRecord again;
  bool all = true;
  for (const std::string& url : record.relay_urls)
    all = all && url.size() + 6 <= NodeRecord::kMaxString;
  for (const std::string& text : record.Strings()) again.Read(text);
  BLOBD_CHECK(!all || again == record);
  return 0;
}
