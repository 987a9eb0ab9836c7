// Plans jobs that need each other onto workers: critical paths, a ready queue,
// slots of time, and a check that the plan keeps all rules.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

using Time = std::int64_t;

struct Job {
    std::string name;
    Time length = 0, start = -1;
    std::size_t worker = 0;
    std::set<std::size_t> needs;
    std::vector<std::size_t> needed_by;
    Time path = 0; // to the end of everything behind it
};

class Circle : public std::logic_error {
public:
    explicit Circle(std::vector<std::string> names) : std::logic_error("jobs need each other"), names_(std::move(names))
    {
    }
    const std::vector<std::string> &names() const { return names_; }

private:
    std::vector<std::string> names_;
};

class Plan {
public:
    std::size_t add(std::string name, Time length)
    {
        Job job;
        job.name = std::move(name);
        job.length = length;
        jobs_.push_back(std::move(job));
        return jobs_.size() - 1;
    }
    void need(std::size_t job, std::size_t other)
    {
        if (jobs_.at(job).needs.insert(other).second)
            jobs_.at(other).needed_by.push_back(job);
    }

    // Every job behind those that it needs. Throws Circle.
    std::vector<std::size_t> order() const
    {
        std::vector<std::size_t> missing, result;
        std::transform(jobs_.begin(), jobs_.end(), std::back_inserter(missing),
                       [](const Job &job) { return job.needs.size(); });
        std::queue<std::size_t> ready;
        for (std::size_t i = 0; i < jobs_.size(); i++)
            if (!missing[i])
                ready.push(i);
        while (!ready.empty()) {
            std::size_t at = ready.front();
            ready.pop();
            result.push_back(at);
            for (std::size_t next : jobs_[at].needed_by)
                if (--missing[next] == 0)
                    ready.push(next);
        }
        if (result.size() < jobs_.size()) {
            std::vector<std::string> names;
            for (std::size_t i = 0; i < jobs_.size() && names.size() < 4; i++)
                if (missing[i])
                    names.push_back(jobs_[i].name);
            throw Circle(std::move(names));
        }
        return result;
    }

    Time schedule(std::size_t workers)
    {
        std::vector<std::size_t> sequence = order();
        for (auto it = sequence.rbegin(); it != sequence.rend(); ++it) {
            Job &job = jobs_[*it];
            job.path = job.length;
            for (std::size_t next : job.needed_by)
                job.path = std::max(job.path, job.length + jobs_[next].path);
        }
        auto urgent = [this](std::size_t a, std::size_t b) {
            return std::make_pair(jobs_[a].path, b) < std::make_pair(jobs_[b].path, a);
        };
        std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(urgent)> ready(urgent);
        std::multimap<Time, std::size_t> running;
        std::set<std::size_t> idle;
        for (std::size_t worker = 0; worker < workers; worker++)
            idle.insert(worker);
        std::vector<std::size_t> missing(jobs_.size());
        for (std::size_t i = 0; i < jobs_.size(); i++) {
            missing[i] = jobs_[i].needs.size();
            if (!missing[i])
                ready.push(i);
        }
        Time now = 0;
        while (!ready.empty() || !running.empty()) {
            while (!ready.empty() && !idle.empty()) {
                Job &job = jobs_[ready.top()];
                job.start = now;
                job.worker = *idle.begin();
                idle.erase(idle.begin());
                running.emplace(now + job.length, ready.top());
                ready.pop();
            }
            now = running.begin()->first;
            auto [first, last] = running.equal_range(now);
            for (auto it = first; it != last; ++it) {
                idle.insert(jobs_[it->second].worker);
                for (std::size_t next : jobs_[it->second].needed_by)
                    if (--missing[next] == 0)
                        ready.push(next);
            }
            running.erase(first, last);
        }
        return now;
    }

    void check() const
    {
        std::map<std::size_t, std::map<Time, Time>> slots;
        for (const Job &job : jobs_) {
            for (std::size_t other : job.needs)
                if (jobs_[other].start + jobs_[other].length > job.start)
                    throw std::logic_error(job.name + " begins before " + jobs_[other].name + " ends");
            slots[job.worker].emplace(job.start, job.start + job.length);
        }
        for (const auto &[worker, times] : slots) {
            Time last = 0;
            for (const auto &[from, to] : times) {
                if (from < last)
                    throw std::logic_error("worker " + std::to_string(worker) + " has two jobs at once");
                last = to;
            }
        }
    }

    Time work() const
    {
        return std::accumulate(jobs_.begin(), jobs_.end(), Time(0), [](Time sum, const Job &j) { return sum + j.length; });
    }
    void print(std::ostream &out, std::size_t count) const
    {
        std::vector<const Job *> sorted;
        for (const Job &job : jobs_)
            sorted.push_back(&job);
        std::sort(sorted.begin(), sorted.end(), [](const Job *a, const Job *b) {
            return std::tie(a->start, a->worker) < std::tie(b->start, b->worker);
        });
        for (const Job *job : sorted)
            if (count-- > 0)
                out << std::setw(6) << job->start << "  worker " << job->worker << "  " << job->name << '\n';
            else
                break;
    }

private:
    std::vector<Job> jobs_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: scheduler_cpp JOBS PLANS SEED\n";
        return 2;
    }
    std::uint64_t state = static_cast<std::uint64_t>(std::atoi(argv[3])) * 0x9e3779b97f4a7c15u + 1;
    auto draw = [&state](std::size_t below) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return static_cast<std::size_t>((state * 0x2545f4914f6cdd1du) >> 33) % below;
    };
    std::size_t jobs = static_cast<std::size_t>(std::atoi(argv[1]));
    std::map<std::string, int> circles;
    for (int number = 0; number < std::atoi(argv[2]); number++) {
        Plan plan;
        std::unordered_set<std::string> names;
        for (std::size_t i = 0; i < jobs; i++) {
            std::string name = "job-" + std::to_string(i);
            names.insert(name);
            plan.add(name, static_cast<Time>(1 + draw(40)));
            for (std::size_t n = draw(4); n && i; n--)
                plan.need(i, draw(i));
        }
        if (number % 7 == 3 && jobs > 2) {
            plan.need(0, jobs - 1);
            plan.need(jobs - 1, 0);
        }
        std::size_t workers = 1 + draw(8);
        try {
            Time end = plan.schedule(workers);
            plan.check();
            if (number < 3 || number % 50 == 0)
                std::cout << "plan " << number << ": " << names.size() << " jobs, " << workers << " workers, work "
                          << plan.work() << ", end " << end << '\n';
            if (number == 0)
                plan.print(std::cout, 5);
        } catch (const Circle &circle) {
            circles[circle.names().front() + " " + std::to_string(circle.names().size())]++;
        }
    }
    for (const auto &[what, count] : circles)
        std::cout << "circle at " << what << ": " << count << '\n';
    return 0;
}
