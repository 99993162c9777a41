// blobd's side of the pkarr tests: publishes and finds nodes through a relay, with the code that
// the daemon uses.
//
//   blobd_pkarr publish BASE SEED_HEX IP:PORT...   prints the node id once the relay has taken it
//   blobd_pkarr resolve BASE NODE_HEX              prints one text per line, as in TXT records
#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/hex.h"
#include "lookup/pkarr_lookup.h"

namespace blobd::lookup {
namespace {

class Waiting final : public ServiceSink {
 public:
  explicit Waiting(loop::Loop& loop) : loop_(loop) {}
  void OnFound(QueryId query, const NodeRecord& record) override {
    static_cast<void>(query);
    for (const std::string& text : record.Strings()) fmt::print("{}\n", text);
  }
  void OnEnded(QueryId query, const Status& status) override {
    static_cast<void>(query);
    ended_ = status;
    loop_.Stop();
  }
  const Status& ended() const { return ended_; }

 private:
  loop::Loop& loop_;
  Status ended_ = Internal("not ended");
};

Status Resolve(loop::Loop& loop, HttpExchange& exchange, const std::string& base,
               const std::string& node_hex) {
  const auto node = NodeId::FromHexText(node_hex);
  if (!node) return InvalidArgument("{} is no node id", node_hex);
  PkarrLookup lookup(exchange, base);
  Waiting waiting(loop);
  lookup.Resolve(QueryId{1}, *node, &waiting);
  loop.Run();
  return waiting.ended();
}

Status Publish(loop::Loop& loop, HttpExchange& exchange, const std::vector<std::string>& words) {
  const auto seed = FromHex(words[2]);
  if (!seed || seed->size() != 32) return InvalidArgument("a seed has 64 hex digits");
  NodeRecord own;
  for (size_t i = 3; i < words.size(); ++i) own.Read("addr=" + words[i]);
  PkarrPublisher::Options options;
  options.base = words[1];
  options.settle = milliseconds(1);
  PkarrPublisher publisher(SystemClock(), loop, exchange, *seed, options);
  publisher.Publish(own);
  loop.SetTurnEnd([&] {
    if (publisher.stats().published + publisher.stats().failed > 0) loop.Stop();
  });
  loop.Run();
  loop.SetTurnEnd(nullptr);
  if (publisher.stats().published == 0) return Unavailable("{}", publisher.stats().last_error);
  fmt::print("{}\n", SignedPacket::Make(*seed, own, 1).node().ToHex());
  return OkStatus();
}

Status Main(const std::vector<std::string>& words) {
  BLOBD_ASSIGN_OR_RETURN(const std::unique_ptr<loop::Loop> loop, loop::Loop::Create());
  const std::unique_ptr<HttpExchange> exchange = HttpExchange::Create(*loop);
  if (words.size() == 3 && words[0] == "resolve") {
    return Resolve(*loop, *exchange, words[1], words[2]);
  }
  if (words.size() > 3 && words[0] == "publish") return Publish(*loop, *exchange, words);
  return InvalidArgument("usage: blobd_pkarr publish BASE SEED IP:PORT... | resolve BASE NODE");
}

}  // namespace
}  // namespace blobd::lookup

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const blobd::Status status = blobd::lookup::Main(words);
  if (status.ok()) return 0;
  fmt::print(stderr, "blobd_pkarr: {}\n", blobd::Message(status));
  return 1;
}
