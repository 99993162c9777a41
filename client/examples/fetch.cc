// Gets a blob by ticket or hash through blobd, shows the progress, and writes it to standard
// output.
//
//   c++ -std=c++17 fetch.cc -o fetch $(pkg-config --cflags --libs blobd-client)
//   ./fetch blobac... >file
#include <blobd/client.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using blobd::client::Client;
namespace v1 = blobd::v1;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "fetch: %s\n", std::string(status.message()).c_str());
  if (const auto reason = blobd::client::ReasonOf(status))
    std::fprintf(stderr, "fetch: reason %s\n", reason->name.c_str());
  return EXIT_FAILURE;
}

void ShowProgress(const v1::Intent& intent) {
  std::fprintf(stderr, "%s: %llu of %llu bytes, %.0f bytes/s %s\n",
               v1::IntentState_Name(intent.state()).c_str(),
               static_cast<unsigned long long>(intent.verified_bytes()),
               static_cast<unsigned long long>(intent.total_bytes()), intent.rate(),
               intent.waits_for().c_str());
}

absl::Status WriteOut(std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(STDOUT_FILENO, data.data(), data.size());
    if (written < 0) return absl::InternalError("cannot write to standard output");
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fetch TICKET|HASH [NODE_ID [IP:PORT]]\n");
    return EXIT_FAILURE;
  }
  const std::string wanted = argv[1];
  const auto client = Client::Connect({});
  if (!client.ok()) return Fail(client.status());

  // Somebody waits: without a usable provider the answer is to come now, not after a day.
  v1::QueueRequest request;
  v1::QueueItem& item = *request.add_items();
  item.set_patience_ms(0);
  if (wanted.rfind("blob", 0) == 0) {
    item.set_ticket(wanted);
  } else {
    item.mutable_kind()->set_hash(wanted);
    item.mutable_kind()->set_format(v1::BLOB_FORMAT_RAW);
  }
  if (argc > 2) {
    v1::Node& node = *item.add_providers()->mutable_node();
    node.set_node_id(argv[2]);
    if (argc > 3) node.add_addresses(argv[3]);
  }
  const auto queued = (*client)->Queue(request);
  if (!queued.ok()) return Fail(queued.status());

  v1::Intent ended;
  const absl::Status watched =
      (*client)->Watch(queued->intents(0).intent_id(), [&ended](const v1::Intent& intent) {
        ShowProgress(intent);
        ended = intent;
      });
  if (!watched.ok()) return Fail(watched);
  if (ended.state() != v1::INTENT_STATE_DONE) {
    std::fprintf(stderr, "fetch: %s\n", ended.reason().c_str());
    return EXIT_FAILURE;
  }
  const absl::Status read = (*client)->Read(ended.kind().hash(), {}, WriteOut);
  return read.ok() ? EXIT_SUCCESS : Fail(read);
}
