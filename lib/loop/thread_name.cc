#include "loop/thread_name.h"

#include <pthread.h>

#include "base/check.h"

namespace blobd::loop {

void NameThread(const char* name) { BLOBD_CHECK(pthread_setname_np(pthread_self(), name) == 0); }

}  // namespace blobd::loop
