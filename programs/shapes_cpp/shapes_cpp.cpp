// A scene of shapes on a whole-number grid. Commands build, move, copy and
// measure shapes; broken commands throw and are caught by the command loop.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "shapes_cpp: %s\n", what);
    std::exit(1);
}

struct Point {
    std::int32_t x = 0, y = 0;
};

Point operator+(Point a, Point b)
{
    return {a.x + b.x, a.y + b.y};
}

struct Box {
    Point lo, hi; // hi is outside
    bool holds(Point p) const { return p.x >= lo.x && p.x < hi.x && p.y >= lo.y && p.y < hi.y; }
};

// Thrown for a command that makes no sense; carries a number to report.
class SceneError : public std::runtime_error {
public:
    SceneError(const std::string &what, int code) : std::runtime_error(what), code_(code) {}
    int code() const { return code_; }

private:
    int code_;
};

class UnknownName : public SceneError {
public:
    explicit UnknownName(const std::string &name) : SceneError("no shape " + name, 1) {}
};

class Shape {
public:
    virtual ~Shape() = default;
    virtual bool inside(Point p) const = 0;
    virtual Box bounds() const = 0;
    virtual void move(Point by) = 0;
    virtual std::unique_ptr<Shape> clone() const = 0;
    virtual void describe(std::string &out) const = 0;
    virtual std::size_t parts() const { return 1; }

    // The number of grid points inside, counted one by one.
    virtual std::int64_t area() const
    {
        Box b = bounds();
        std::int64_t n = 0;
        for (Point p = b.lo; p.y < b.hi.y; p.y++)
            for (p.x = b.lo.x; p.x < b.hi.x; p.x++)
                n += inside(p);
        return n;
    }
};

// clone() for every class that derives from this one.
template <typename Derived>
class Cloneable : public Shape {
public:
    std::unique_ptr<Shape> clone() const override
    {
        return std::make_unique<Derived>(static_cast<const Derived &>(*this));
    }
};

class Rectangle final : public Cloneable<Rectangle> {
public:
    Rectangle(Point at, std::int32_t w, std::int32_t h) : box_{at, at + Point{w, h}}
    {
        if (w <= 0 || h <= 0)
            throw SceneError("rectangle without area", 2);
    }
    bool inside(Point p) const override { return box_.holds(p); }
    Box bounds() const override { return box_; }
    void move(Point by) override { box_ = {box_.lo + by, box_.hi + by}; }
    std::int64_t area() const override
    {
        return static_cast<std::int64_t>(box_.hi.x - box_.lo.x) * (box_.hi.y - box_.lo.y);
    }
    void describe(std::string &out) const override { out += 'r'; }

private:
    Box box_;
};

class Circle final : public Cloneable<Circle> {
public:
    Circle(Point at, std::int32_t radius) : at_(at), radius_(radius)
    {
        if (radius <= 0)
            throw SceneError("circle without radius", 3);
    }
    bool inside(Point p) const override
    {
        std::int64_t dx = p.x - at_.x, dy = p.y - at_.y;
        return dx * dx + dy * dy <= static_cast<std::int64_t>(radius_) * radius_;
    }
    Box bounds() const override
    {
        return {at_ + Point{-radius_, -radius_}, at_ + Point{radius_ + 1, radius_ + 1}};
    }
    void move(Point by) override { at_ = at_ + by; }
    void describe(std::string &out) const override { out += 'c'; }

private:
    Point at_;
    std::int32_t radius_;
};

class Triangle final : public Cloneable<Triangle> {
public:
    Triangle(Point a, Point b, Point c) : corner_{a, b, c}
    {
        std::int64_t s = side(a, b, c);
        if (s == 0)
            throw SceneError("flat triangle", 4);
        if (s < 0)
            std::swap(corner_[1], corner_[2]);
    }
    bool inside(Point p) const override
    {
        return side(corner_[0], corner_[1], p) >= 0 && side(corner_[1], corner_[2], p) >= 0 &&
               side(corner_[2], corner_[0], p) >= 0;
    }
    Box bounds() const override
    {
        auto x = std::minmax({corner_[0].x, corner_[1].x, corner_[2].x});
        auto y = std::minmax({corner_[0].y, corner_[1].y, corner_[2].y});
        return {{x.first, y.first}, {x.second + 1, y.second + 1}};
    }
    void move(Point by) override
    {
        for (Point &p : corner_)
            p = p + by;
    }
    void describe(std::string &out) const override { out += 't'; }

private:
    static std::int64_t side(Point a, Point b, Point p)
    {
        return static_cast<std::int64_t>(b.x - a.x) * (p.y - a.y) - static_cast<std::int64_t>(b.y - a.y) * (p.x - a.x);
    }
    Point corner_[3];
};

// A point is inside a group when it is inside any part, or, for a group that
// cuts, in the first part and in no other.
class Group final : public Shape {
public:
    explicit Group(bool cuts) : cuts_(cuts) {}
    void add(std::unique_ptr<Shape> s)
    {
        if (s->parts() + parts() > 40)
            throw SceneError("group too large", 5);
        list_.push_back(std::move(s));
    }
    bool inside(Point p) const override
    {
        auto hit = [p](const std::unique_ptr<Shape> &s) { return s->inside(p); };
        if (!cuts_)
            return std::any_of(list_.begin(), list_.end(), hit);
        return hit(list_.front()) && std::none_of(list_.begin() + 1, list_.end(), hit);
    }
    Box bounds() const override
    {
        Box all = list_.front()->bounds();
        for (const auto &s : list_) {
            Box b = s->bounds();
            all.lo = {std::min(all.lo.x, b.lo.x), std::min(all.lo.y, b.lo.y)};
            all.hi = {std::max(all.hi.x, b.hi.x), std::max(all.hi.y, b.hi.y)};
        }
        return all;
    }
    void move(Point by) override
    {
        for (auto &s : list_)
            s->move(by);
    }
    std::unique_ptr<Shape> clone() const override
    {
        auto g = std::make_unique<Group>(cuts_);
        for (const auto &s : list_)
            g->list_.push_back(s->clone());
        return g;
    }
    void describe(std::string &out) const override
    {
        out += cuts_ ? "-(" : "+(";
        for (const auto &s : list_)
            s->describe(out);
        out += ')';
    }
    std::size_t parts() const override
    {
        std::size_t n = 1;
        for (const auto &s : list_)
            n += s->parts();
        return n;
    }

private:
    std::vector<std::unique_ptr<Shape>> list_;
    bool cuts_;
};

struct Random {
    std::uint32_t state;
    std::int32_t operator()(std::int32_t below)
    {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return static_cast<std::int32_t>(static_cast<std::uint64_t>(state) * static_cast<std::uint32_t>(below) >> 32);
    }
};

class Scene {
public:
    explicit Scene(std::uint32_t seed) : random_{seed} {}

    // One random command. About one in eight is broken and throws.
    void command()
    {
        std::string name = "s" + std::to_string(random_(names));
        switch (random_(9)) {
        case 0: {
            Point at = point();
            std::int32_t w = random_(24) - 1;
            put(name, std::make_unique<Rectangle>(at, w, random_(24) - 1));
            break;
        }
        case 1: {
            Point at = point();
            put(name, std::make_unique<Circle>(at, random_(14) - 1));
            break;
        }
        case 2: {
            Point a = point(), b = a + small(), c = a + small();
            put(name, std::make_unique<Triangle>(a, b, c));
            break;
        }
        case 3:
        case 4: {
            auto g = std::make_unique<Group>(random_(2) == 0);
            for (std::int32_t n = 2 + random_(3); n; n--)
                g->add(get("s" + std::to_string(random_(names))).clone());
            put(name, std::move(g));
            break;
        }
        case 5: {
            // A step that leaves the board is taken back.
            Point by = small();
            Shape &s = get(name);
            s.move(by);
            Box b = s.bounds();
            if (b.lo.x < -limit || b.lo.y < -limit || b.hi.x > limit || b.hi.y > limit) {
                s.move({-by.x, -by.y});
                throw SceneError("off the board", 6);
            }
            break;
        }
        case 6:
            if (random_(4) == 0 && !shapes_.erase(name))
                throw UnknownName(name);
            break;
        default:
            measure(get(name));
        }
    }

    void run(std::uint32_t commands)
    {
        for (std::uint32_t i = 0; i < commands; i++) {
            try {
                command();
            } catch (const UnknownName &e) {
                errors_[e.what()]++;
            } catch (const SceneError &e) {
                errors_["code " + std::to_string(e.code())]++;
            }
        }
    }

    // The points of each kind must add up, and a moved copy has equal area.
    std::uint64_t finish()
    {
        for (const auto &entry : shapes_) {
            const Shape &s = *entry.second;
            auto copy = s.clone();
            copy->move({1000, -77});
            std::string a, b;
            s.describe(a);
            copy->describe(b);
            if (copy->area() != s.area() || a != b)
                fail("a moved copy is not the same");
            // Shape::area counts by inside(); other areas use a formula.
            if (s.Shape::area() != s.area())
                fail("area differs from the count of points");
            measure(s);
        }
        for (const auto &e : errors_) {
            hash(e.first);
            sum_ = sum_ * 31 + e.second;
        }
        return sum_;
    }

    std::uint64_t errors() const
    {
        std::uint64_t n = 0;
        for (const auto &e : errors_)
            n += e.second;
        return n;
    }
    std::size_t shapes() const { return shapes_.size(); }
    std::int64_t measured() const { return measured_; }

private:
    static constexpr std::int32_t names = 40, limit = 80;

    Point point()
    {
        Point p;
        p.x = random_(100) - 50;
        p.y = random_(100) - 50;
        return p;
    }
    Point small()
    {
        Point p;
        p.x = random_(31) - 15;
        p.y = random_(31) - 15;
        return p;
    }
    Shape &get(const std::string &name)
    {
        auto it = shapes_.find(name);
        if (it == shapes_.end())
            throw UnknownName(name);
        return *it->second;
    }
    void put(const std::string &name, std::unique_ptr<Shape> s) { shapes_[name] = std::move(s); }
    void measure(const Shape &s)
    {
        std::string text;
        s.describe(text);
        hash(text);
        std::int64_t a = s.area();
        measured_ += a;
        sum_ = sum_ * 31 + static_cast<std::uint64_t>(a);
    }
    void hash(const std::string &s)
    {
        for (char c : s)
            sum_ = (sum_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }

    Random random_;
    std::map<std::string, std::unique_ptr<Shape>> shapes_;
    std::map<std::string, std::uint64_t> errors_;
    std::int64_t measured_ = 0;
    std::uint64_t sum_ = 0xcbf29ce484222325u;
};

std::uint32_t number(const char *s, long lo, long hi)
{
    char *end;
    long v = std::strtol(s, &end, 10);
    if (end == s || *end || v < lo || v > hi) {
        std::fprintf(stderr, "usage: shapes_cpp COMMANDS SCENES (0..10000000, 1..1000)\n");
        std::exit(2);
    }
    return static_cast<std::uint32_t>(v);
}

// Areas that can be counted by hand, and errors that must be thrown.
void known_shapes()
{
    if (Circle({3, 4}, 2).area() != 13 || Rectangle({-1, -1}, 3, 5).area() != 15 ||
        Triangle({0, 0}, {0, 3}, {3, 0}).area() != 10)
        fail("wrong area of a known shape");
    Group g(true);
    g.add(std::make_unique<Rectangle>(Point{0, 0}, 10, 10));
    g.add(std::make_unique<Circle>(Point{5, 5}, 1));
    if (g.area() != 95)
        fail("wrong area of a known group");
    int caught = 0;
    try {
        Triangle({0, 0}, {1, 1}, {2, 2}).area();
    } catch (const SceneError &e) {
        caught = e.code();
    }
    if (caught != 4)
        fail("flat triangle was accepted");
}

} // namespace

int main(int argc, char **argv)
{
    std::uint32_t commands = number(argc == 3 ? argv[1] : "", 0, 10000000), scenes = number(argv[2], 1, 1000);
    std::uint64_t sum = 0, errors = 0;
    std::int64_t measured = 0;
    std::size_t shapes = 0;
    known_shapes();
    for (std::uint32_t i = 0; i < scenes; i++) {
        Scene scene(i * 2654435761u + 1);
        scene.run(commands);
        sum = sum * 31 + scene.finish();
        errors += scene.errors();
        measured += scene.measured();
        shapes += scene.shapes();
    }
    std::printf("shapes %zu errors %llu points %lld\nsum %016llx\nok\n", shapes, static_cast<unsigned long long>(errors),
                static_cast<long long>(measured), static_cast<unsigned long long>(sum));
    return 0;
}
