// ticket, private: who may get what is here.
#include <fmt/format.h>

#include <cstdio>

#include "base/utf8.h"
#include "client/context.h"
#include "client/sentence.h"
#include "client/words.h"

namespace blobd::client {

int RunTicket(Context& context, const TicketOptions& options) {
  std::string wanted = options.wanted;
  if (const Status status = ResolveTag(context, &wanted); !status.ok()) return Fail(status);
  v1::CreateTicketRequest request;
  v1::Kind& kind = *request.mutable_kind();
  kind = KindOf(wanted);
  if (options.format == "raw") {
    kind.set_format(v1::BLOB_FORMAT_RAW);
  } else if (options.format == "collection") {
    kind.set_format(v1::BLOB_FORMAT_HASH_SEQ);
  } else if (kind.format() == v1::BLOB_FORMAT_RAW &&
             IsKnownCollection(*context.daemon, kind.hash())) {
    kind.set_format(v1::BLOB_FORMAT_HASH_SEQ);
  }
  for (const std::string& address : options.addresses) request.add_addresses(address);
  request.set_no_addresses(options.no_addresses);
  request.set_include_loopback(options.loopback);
  const auto response = context.daemon->CreateTicket(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
    return kExitDone;
  }
  PrintOut("{}\n", response->ticket());
  if (context.style.quiet) return kExitDone;
  FlushOutput();
  for (const std::string& note : response->notes()) {
    PrintError("blobctl: {}\n", EscapeForTerminal(note));
  }
  return kExitDone;
}

int RunPrivate(Context& context, const std::vector<std::string>& wanted, bool is_private) {
  for (const std::string& each : wanted) {
    std::string name = each;
    if (const Status status = ResolveTag(context, &name); !status.ok()) return Fail(status);
    v1::SetPrivateRequest request;
    *request.mutable_kind() = KindOf(name);
    request.set_is_private(is_private);
    const auto response = context.daemon->SetPrivate(request);
    if (!response.ok()) {
      const bool is_refused = response.status().code() == StatusCode::kPermissionDenied;
      return Fail(is_refused && !is_private
                      ? Annotate(response.status(), "to serve again what is private")
                      : response.status());
    }
    if (context.style.is_json()) {
      PrintJson(context.style, *response);
    } else if (!context.style.quiet) {
      Say(context.style, "{}: {} {} {} now\n", EscapeForTerminal(each),
          Counted(response->changed(), "blob"), response->changed() == 1 ? "is" : "are",
          is_private ? "private" : "served again");
    }
  }
  return kExitDone;
}

}  // namespace blobd::client
