// blobd_queue_bench: how fast intents are queued durably, beside what the same work costs at least.
//
//   blobd_queue_bench SOCKET DIRECTORY [SECONDS [MEASUREMENT]]
//
// Asks a running daemon on SOCKET; DIRECTORY is on the file system of its registry. Prints one line
// of JSON per measurement; with one named, only that is made:
//   bare     one caller: the SQLite transaction of one such row, with the registry's tables, then
//   one
//            gRPC echo
//   serial   one caller: Queue
//   callers  64 callers at once: Queue
//   echo     the same 64 callers, of a server that answers at once and keeps nothing: what gRPC
//            itself can do on this machine
//   batched  one caller: Queue with 10,000 items
//   list     one caller: ListTransfers, while another process writes to the same disk
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/time.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "registry/rows.h"
#include "registry/schema.h"
#include "sqlite/database.h"
#include "sqlite/open.h"

namespace blobd::bench {
namespace {

constexpr size_t kCallers = 64;
constexpr size_t kChannels = 8;
constexpr int kBatch = 10'000;

Instant Now() { return SystemClock().Now(); }
double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string RandomHash() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string hex;
  for (int i = 0; i < 4; ++i) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(random()));
    hex += digits;
  }
  return hex;
}

v1::QueueRequest RequestOf(int items) {
  v1::QueueRequest request;
  for (int i = 0; i < items; ++i) {
    request.add_items()->mutable_kind()->set_hash(RandomHash());
  }
  return request;
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

void Must(const grpc::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "blobd_queue_bench: %s\n", status.error_message().c_str());
  std::exit(1);
}

void Print(const char* name, double count, double seconds) {
  std::printf("{\"row\":\"%s\",\"per_second\":%.0f}\n", name, count / seconds);
  std::fflush(stdout);
}

// Answers Queue with one id and does nothing.
class Echo final : public v1::Downloads::CallbackService {
  grpc::ServerUnaryReactor* Queue(grpc::CallbackServerContext* call, const v1::QueueRequest*,
                                  v1::QueueResponse* response) override {
    response->add_intents()->set_intent_id(1);
    auto* reactor = call->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// A child that runs `work` and dies with us.
pid_t Fork(const std::function<void()>& work) {
  const pid_t child = fork();
  BLOBD_CHECK(child >= 0);
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  work();
  _exit(0);
}

void Kill(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

void ServeEcho(const std::string& socket) {
  Echo echo;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&echo);
  const auto server = builder.BuildAndStart();
  server->Wait();
}

void MeasureBare(const std::string& directory, Duration time) {
  const std::string socket = directory + "/echo.sock";
  const pid_t server = Fork([&] { ServeEcho(socket); });
  const auto stub = v1::Downloads::NewStub(ChannelTo(socket));
  const std::string file = directory + "/bare.db";
  for (const char* end : {"", "-wal", "-shm"}) unlink((file + end).c_str());
  auto database = sqlite::OpenDatabase(file, registry::RegistrySchema(), {});
  BLOBD_CHECK(database.ok());
  auto insert = database->Prepare(registry::kIntentsTable.Insert("INSERT"));
  BLOBD_CHECK(insert.ok());
  registry::IntentRow intent;
  intent.created = SystemClock().WallNow();
  intent.patience_ms = 86'400'000;
  int count = 0;
  const Instant begun = Now();
  for (; Now() - begun < time; ++count) {
    const v1::QueueRequest request = RequestOf(1);
    ++intent.id.value;
    intent.kind.hash = *Hash::FromHexText(request.items(0).kind().hash());
    auto transaction = sqlite::Transaction::Begin(*database);
    BLOBD_CHECK(transaction.ok());
    BLOBD_CHECK(registry::BindIntent(intent, *insert).ok() && insert->Run().ok());
    BLOBD_CHECK(transaction->Commit().ok());
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    v1::QueueResponse response;
    Must(stub->Queue(&context, request, &response));
  }
  Print("bare", count, Seconds(Now() - begun));
  Kill(server);
}

// Calls one after the other; returns how many intents were made.
void MeasureSerial(const char* name, const std::string& socket, int items, Duration time) {
  const auto stub = v1::Downloads::NewStub(ChannelTo(socket));
  int count = 0;
  const Instant begun = Now();
  for (; Now() - begun < time; count += items) {
    grpc::ClientContext context;
    v1::QueueResponse response;
    Must(stub->Queue(&context, RequestOf(items), &response));
  }
  Print(name, count, Seconds(Now() - begun));
}

// A caller whose next call follows the answer of the last.
struct Caller {
  v1::Downloads::Stub* stub = nullptr;
  Instant end;
  std::atomic<uint64_t>* count = nullptr;
  std::promise<void> done = {};
  std::unique_ptr<grpc::ClientContext> context = {};
  v1::QueueRequest request = {};
  v1::QueueResponse response = {};

  void Call() {
    if (Now() >= end) return done.set_value();
    context = std::make_unique<grpc::ClientContext>();
    context->set_wait_for_ready(true);
    request = RequestOf(1);
    stub->async()->Queue(context.get(), &request, &response, [this](const grpc::Status& status) {
      Must(status);
      count->fetch_add(1, std::memory_order_relaxed);
      Call();
    });
  }
};

void MeasureCallers(const char* name, const std::string& socket, Duration time) {
  std::vector<std::unique_ptr<v1::Downloads::Stub>> stubs;
  for (size_t i = 0; i < kChannels; ++i) {
    stubs.push_back(v1::Downloads::NewStub(ChannelTo(socket)));
  }
  std::atomic<uint64_t> count = 0;
  std::vector<std::unique_ptr<Caller>> callers;
  const Instant begun = Now();
  for (size_t i = 0; i < kCallers; ++i) {
    callers.push_back(std::make_unique<Caller>());
    callers.back()->stub = stubs[i % kChannels].get();
    callers.back()->end = begun + time;
    callers.back()->count = &count;
    callers.back()->Call();
  }
  for (const auto& caller : callers) caller->done.get_future().wait();
  Print(name, static_cast<double>(count), Seconds(Now() - begun));
}

// Writes and syncs without end, as something else on the machine may.
void SaturateDisk(const std::string& file) {
  const int fd = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  BLOBD_CHECK(fd >= 0);
  const std::vector<char> block(4 << 20, 'x');
  for (off_t at = 0;; at = (at + 4 * (4 << 20)) % (1 << 30)) {
    for (int i = 0; i < 4; ++i) {
      BLOBD_CHECK(pwrite(fd, block.data(), block.size(), at + i * (4 << 20)) > 0);
    }
    fdatasync(fd);
  }
}

void MeasureList(const std::string& socket, const std::string& directory, Duration time) {
  const std::string file = directory + "/saturate";
  const pid_t writer = Fork([&] { SaturateDisk(file); });
  const auto stub = v1::Downloads::NewStub(ChannelTo(socket));
  std::vector<double> milliseconds;
  const Instant begun = Now();
  while (Now() - begun < time) {
    const Instant called = Now();
    grpc::ClientContext context;
    v1::ListTransfersResponse response;
    Must(stub->ListTransfers(&context, {}, &response));
    milliseconds.push_back(Seconds(Now() - called) * 1e3);
  }
  Kill(writer);
  unlink(file.c_str());
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("{\"row\":\"list\",\"calls\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
              milliseconds.size(), milliseconds[milliseconds.size() / 2],
              milliseconds[milliseconds.size() * 99 / 100], milliseconds.back());
}

}  // namespace
}  // namespace blobd::bench

int main(int argc, char** argv) {
  using namespace blobd;
  if (argc < 3) {
    std::fprintf(stderr, "usage: blobd_queue_bench SOCKET DIRECTORY [SECONDS [MEASUREMENT]]\n");
    return 2;
  }
  const std::string socket = argv[1];
  const std::string directory = argv[2];
  const Duration time = seconds(argc > 3 ? std::max(1, std::atoi(argv[3])) : 3);
  const std::string only = argc > 4 ? argv[4] : "";
  // Children are made before gRPC has threads here, or do nothing with it.
  const std::string echo = directory + "/echo64.sock";
  const pid_t server = bench::Fork([&] { bench::ServeEcho(echo); });
  const std::vector<std::pair<std::string, std::function<void()>>> measurements = {
      {"bare", [&] { bench::MeasureBare(directory, time); }},
      {"serial", [&] { bench::MeasureSerial("serial", socket, 1, time); }},
      {"callers", [&] { bench::MeasureCallers("callers", socket, time); }},
      {"echo", [&] { bench::MeasureCallers("echo", echo, time); }},
      {"batched", [&] { bench::MeasureSerial("batched", socket, bench::kBatch, time); }},
      {"list", [&] { bench::MeasureList(socket, directory, time); }},
  };
  bool known = false;
  for (const auto& [name, measure] : measurements) {
    if (!only.empty() && name != only) continue;
    known = true;
    measure();
  }
  bench::Kill(server);
  if (!known) std::fprintf(stderr, "blobd_queue_bench: no measurement %s\n", only.c_str());
  return known ? 0 : 2;
}
