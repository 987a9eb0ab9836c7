// An open-addressing hash map and a vector with room for a few elements
// inside, both as templates, put to work on three jobs and checked by std::map.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "hashmap_cpp: %s\n", what);
    std::exit(1);
}

// The first N elements live in the object, more of them on the heap.
template <typename T, std::size_t N>
class SmallVector {
public:
    SmallVector() {}
    SmallVector(const SmallVector &o)
    {
        for (const T &v : o)
            push_back(v);
    }
    SmallVector(SmallVector &&o) noexcept { take(o); }
    SmallVector &operator=(SmallVector o) noexcept
    {
        clear();
        take(o);
        return *this;
    }
    ~SmallVector() { clear(); }

    T *begin() { return data(); }
    T *end() { return data() + size_; }
    const T *begin() const { return data(); }
    const T *end() const { return data() + size_; }
    std::size_t size() const { return size_; }
    bool on_heap() const { return heap_ != nullptr; }
    T &operator[](std::size_t i) { return data()[i]; }

    void push_back(T v)
    {
        if (size_ == room_)
            grow();
        new (data() + size_) T(std::move(v));
        size_++;
    }

    void pop_back() { data()[--size_].~T(); }

    void clear()
    {
        while (size_)
            pop_back();
        ::operator delete(heap_);
        heap_ = nullptr;
        room_ = N;
    }

private:
    T *data() { return heap_ ? heap_ : inside_; }
    const T *data() const { return heap_ ? heap_ : inside_; }

    void grow()
    {
        T *fresh = static_cast<T *>(::operator new(2 * room_ * sizeof(T)));
        move_to(fresh);
        ::operator delete(heap_);
        heap_ = fresh;
        room_ *= 2;
    }

    void move_to(T *to)
    {
        T *from = data();
        for (std::size_t i = 0; i < size_; i++) {
            new (to + i) T(std::move(from[i]));
            from[i].~T();
        }
    }

    // Only for an empty target. Heap memory changes hands, elements inside
    // have to move.
    void take(SmallVector &o) noexcept
    {
        if (o.heap_) {
            heap_ = o.heap_;
            room_ = o.room_;
            o.heap_ = nullptr;
            o.room_ = N;
        } else {
            o.move_to(inside_);
        }
        size_ = o.size_;
        o.size_ = 0;
    }

    union { // no element lives here until push_back
        T inside_[N];
    };
    T *heap_ = nullptr;
    std::size_t size_ = 0, room_ = N;
};

// Own hashes, so that the order of a walk is the same everywhere.
struct Hasher {
    std::uint64_t operator()(std::uint64_t x) const
    {
        x ^= x >> 32;
        x *= 0xd6e8feb86659fd93u;
        return x ^ x >> 32;
    }
    std::uint64_t operator()(const std::string &s) const
    {
        std::uint64_t h = 0xcbf29ce484222325u;
        for (char c : s)
            h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
        return (*this)(h);
    }
};

// Linear probing where the entry farther from home keeps its place. Removal
// moves the following entries back, so there are no grave marks.
template <typename K, typename V, typename H = Hasher>
class HashMap {
public:
    std::size_t size() const { return size_; }
    std::uint64_t probes() const { return probes_; }

    V *find(const K &key)
    {
        std::size_t i = locate(key);
        return i == none ? nullptr : &slots_[i].value;
    }

    V &operator[](const K &key)
    {
        std::size_t i = locate(key);
        if (i == none) {
            if ((size_ + 1) * 8 > slots_.size() * 7)
                rehash(slots_.empty() ? 8 : slots_.size() * 2);
            i = place(Slot{key, V(), 1});
            size_++;
        }
        return slots_[i].value;
    }

    bool erase(const K &key)
    {
        std::size_t i = locate(key);
        if (i == none)
            return false;
        for (std::size_t j = next(i); slots_[j].distance > 1; i = j, j = next(j)) {
            slots_[i] = std::move(slots_[j]);
            slots_[i].distance--;
        }
        slots_[i] = Slot();
        size_--;
        return true;
    }

    template <typename F>
    void each(F f) const
    {
        for (const Slot &s : slots_)
            if (s.distance)
                f(s.key, s.value);
    }

    // Every entry must be as far from home as it says, with no gap before it.
    bool sound() const
    {
        std::size_t n = 0;
        for (std::size_t i = 0; i < slots_.size(); i++) {
            const Slot &s = slots_[i];
            if (!s.distance)
                continue;
            n++;
            if (((home(s.key) + s.distance - 1) & (slots_.size() - 1)) != i)
                return false;
            std::size_t before = (i + slots_.size() - 1) & (slots_.size() - 1);
            if (s.distance > 1 && slots_[before].distance + 1 < s.distance)
                return false;
        }
        return n == size_;
    }

private:
    struct Slot {
        K key{};
        V value{};
        std::uint32_t distance = 0; // 0: empty, 1: at home, 2: one beside it
    };
    static constexpr std::size_t none = ~static_cast<std::size_t>(0);

    std::size_t home(const K &key) const { return H()(key) & (slots_.size() - 1); }
    std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }

    std::size_t locate(const K &key)
    {
        if (slots_.empty())
            return none;
        std::size_t i = home(key);
        for (std::uint32_t d = 1; slots_[i].distance >= d; d++, i = next(i)) {
            probes_++;
            if (slots_[i].distance == d && slots_[i].key == key)
                return i;
        }
        return none;
    }

    // Returns where the new entry came to rest.
    std::size_t place(Slot s)
    {
        std::size_t i = home(s.key), rest = none;
        s.distance = 1;
        for (;; i = next(i), s.distance++) {
            if (slots_[i].distance < s.distance) {
                std::swap(slots_[i], s);
                if (rest == none)
                    rest = i;
                if (!s.distance)
                    return rest;
            }
        }
    }

    void rehash(std::size_t n)
    {
        std::vector<Slot> old(n);
        old.swap(slots_);
        for (Slot &s : old)
            if (s.distance)
                place(std::move(s));
    }

    std::vector<Slot> slots_;
    std::size_t size_ = 0;
    std::uint64_t probes_ = 0;
};

struct Random {
    std::uint64_t state;
    std::uint32_t operator()(std::uint32_t below)
    {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>((state >> 33) * below >> 31);
    }
};

std::uint64_t mix(std::uint64_t h, std::uint64_t v)
{
    return (h ^ v) * 0x100000001b3u;
}

// Inserts, changes and removes at random, next to a std::map in check runs.
std::uint64_t churn(std::uint32_t steps, bool check, std::uint64_t seed)
{
    Random random{seed};
    HashMap<std::uint64_t, std::uint64_t> map;
    std::map<std::uint64_t, std::uint64_t> model;
    std::uint64_t sum = 0, keys = steps / 4 + 1;
    for (std::uint32_t i = 0; i < steps; i++) {
        std::uint64_t key = random(static_cast<std::uint32_t>(keys)) * 0x10001ull;
        std::uint32_t what = random(10);
        if (what < 5) {
            map[key] += i;
            if (check)
                model[key] += i;
        } else if (what < 8) {
            std::uint64_t *v = map.find(key);
            sum = mix(sum, v ? *v : 7);
            if (check && (v != nullptr) != (model.count(key) != 0))
                fail("find differs from std::map");
        } else {
            bool had = map.erase(key);
            sum = mix(sum, had);
            if (check && had != (model.erase(key) != 0))
                fail("erase differs from std::map");
        }
    }
    if (!map.sound())
        fail("hash map is not sound");
    std::size_t same = 0;
    map.each([&](std::uint64_t k, std::uint64_t v) {
        sum += mix(k, v);
        if (check && model.count(k) && model[k] == v)
            same++;
    });
    if (check && (same != model.size() || map.size() != model.size()))
        fail("contents differ from std::map");
    return mix(sum, map.probes());
}

std::string make_word(Random &random)
{
    static const char *const parts[] = {"ka", "to", "mi", "re", "lun", "os", "ve", "shi", "par", "en"};
    std::string w;
    std::uint32_t n = 1 + random(2);
    n += random(3);
    for (; n; n--)
        w += parts[random(10)];
    return w;
}

// Word places by word: the lists are short for most words, long for a few.
std::uint64_t word_index(std::uint32_t words, std::uint64_t seed)
{
    Random random{seed};
    HashMap<std::string, SmallVector<std::uint32_t, 4>> index;
    for (std::uint32_t i = 0; i < words; i++)
        index[make_word(random)].push_back(i);
    std::uint64_t sum = 0, total = 0, heap = 0;
    std::vector<bool> seen(words);
    index.each([&](const std::string &w, const SmallVector<std::uint32_t, 4> &places) {
        std::uint64_t h = Hasher()(w);
        std::uint32_t last = 0;
        for (std::uint32_t p : places) {
            if (seen[p] || p < last)
                fail("word places out of order");
            seen[p] = true;
            last = p;
            h = mix(h, p);
        }
        total += places.size();
        heap += places.on_heap();
        sum += h;
    });
    if (total != words || !index.sound())
        fail("words got lost");
    // The same words come again: each must hold the place in its list.
    Random again{seed};
    for (std::uint32_t i = 0; i < words; i++) {
        SmallVector<std::uint32_t, 4> *places = index.find(make_word(again));
        if (!places || (*places)[0] > i)
            fail("word without its place");
        sum = mix(sum, (*places)[places->size() / 2]);
    }
    return mix(sum, heap);
}

// Vectors of vectors of strings: copies and moves must keep the contents.
std::uint64_t shuffle_lists(std::uint32_t count, std::uint64_t seed)
{
    using List = SmallVector<std::string, 3>;
    Random random{seed};
    SmallVector<List, 2> lists;
    std::uint64_t before = 0, after = 0, order = 0;
    for (std::uint32_t i = 0; i < count; i++) {
        List l;
        for (std::uint32_t n = random(7); n; n--) {
            l.push_back(make_word(random));
            before += Hasher()(l[l.size() - 1]);
        }
        lists.push_back(std::move(l));
    }
    for (std::uint32_t i = count; i > 1; i--)
        std::swap(lists[i - 1], lists[random(i)]);
    SmallVector<List, 2> copy(lists);
    lists.clear();
    for (List &l : copy)
        for (; l.size(); l.pop_back()) {
            after += Hasher()(l[l.size() - 1]);
            order = mix(order, Hasher()(l[0]));
        }
    if (before != after)
        fail("lists changed their contents");
    return mix(order, after);
}

std::uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = std::strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        std::fprintf(stderr, "usage: hashmap_cpp STEPS WORDS ROUNDS (0..10000000, 0..1000000, 1..1000)\n");
        std::exit(2);
    }
    return static_cast<std::uint32_t>(v);
}

} // namespace

int main(int argc, char **argv)
{
    std::uint32_t steps = number(argc == 4 ? argv[1] : "", 0, 10000000);
    std::uint32_t words = number(argv[2], 0, 1000000), rounds = number(argv[3], 1, 1000);
    std::uint64_t numbers = 0, index = 0, lists = 0;
    churn(2000, true, 99);
    for (std::uint32_t r = 0; r < rounds; r++) {
        numbers = mix(numbers, churn(steps, r == 0 && steps <= 1000, r));
        index = mix(index, word_index(words, r));
        lists = mix(lists, shuffle_lists(words / 8, r));
    }
    std::printf("numbers %016llx\nwords %016llx\nlists %016llx\nok\n", static_cast<unsigned long long>(numbers),
                static_cast<unsigned long long>(index), static_cast<unsigned long long>(lists));
    return 0;
}
