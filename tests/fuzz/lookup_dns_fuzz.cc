// What reads as a DNS message reads the same after it was written again, unless it held records
// that are not kept.
#include "base/check.h"
#include "lookup/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using blobd::lookup::DnsMessage;
  auto message = DnsMessage::Parse({data, size});
  if (!message.ok()) return 0;
  for (auto* records : {&message->answers, &message->additionals}) {
    std::erase_if(*records, [](const blobd::lookup::DnsRecord& record) {
      return std::holds_alternative<blobd::lookup::DnsOther>(record.data);
    });
  }
  const blobd::Bytes bytes = message->Encode();
  // Names without their compression may need more room than there is.
  if (bytes.size() > DnsMessage::kMaxSize) return 0;
  const auto again = DnsMessage::Parse(bytes);
  BLOBD_CHECK(again.ok() && *again == *message);
  return 0;
}
