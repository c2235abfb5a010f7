// How the kernels' threads are started.
#pragma once

#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace intentflow {

// Runs work(0) … work(count - 1) at once; here what no thread can be had for.
template <class Work>
void run_parts(int64_t count, const Work& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  int64_t part = 1;
  try {
    for (; part < count; ++part) threads.emplace_back(work, part);
  } catch (const std::system_error&) {
    for (int64_t rest = part; rest < count; ++rest) work(rest);
  }
  work(0);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace intentflow
