// Small ray tracer: spheres, triangles and a checkered floor, shadows and
// mirror reflections, a tree of boxes over the objects. The scene comes from a
// file; the picture is written as a PPM file.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

template <typename T, int N> struct Vec {
    std::array<T, N> v{};
    T &operator[](int i) { return v[i]; }
    const T &operator[](int i) const { return v[i]; }
};

template <typename T, int N, typename F> Vec<T, N> zip(const Vec<T, N> &a, const Vec<T, N> &b, F f)
{
    Vec<T, N> r;
    for (int i = 0; i < N; i++)
        r[i] = f(a[i], b[i]);
    return r;
}

template <typename T, int N> Vec<T, N> operator+(const Vec<T, N> &a, const Vec<T, N> &b)
{
    return zip(a, b, [](T x, T y) { return x + y; });
}

template <typename T, int N> Vec<T, N> operator-(const Vec<T, N> &a, const Vec<T, N> &b)
{
    return zip(a, b, [](T x, T y) { return x - y; });
}

template <typename T, int N> Vec<T, N> operator*(const Vec<T, N> &a, const Vec<T, N> &b)
{
    return zip(a, b, [](T x, T y) { return x * y; });
}

template <typename T, int N> Vec<T, N> operator*(const Vec<T, N> &a, T s)
{
    return zip(a, a, [s](T x, T) { return x * s; });
}

template <typename T, int N> T dot(const Vec<T, N> &a, const Vec<T, N> &b)
{
    T sum = 0;
    for (int i = 0; i < N; i++)
        sum += a[i] * b[i];
    return sum;
}

template <typename T> Vec<T, 3> cross(const Vec<T, 3> &a, const Vec<T, 3> &b)
{
    return {{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}};
}

template <typename T, int N> Vec<T, N> unit(const Vec<T, N> &a)
{
    return a * (T(1) / std::sqrt(dot(a, a)));
}

using Vec3 = Vec<double, 3>;

struct Ray {
    Vec3 from, to;      // to: unit direction
};

struct Box {
    Vec3 low{{1e30, 1e30, 1e30}}, high{{-1e30, -1e30, -1e30}};

    void add(const Box &b)
    {
        low = zip(low, b.low, [](double x, double y) { return std::min(x, y); });
        high = zip(high, b.high, [](double x, double y) { return std::max(x, y); });
    }

    // Directions are never exactly zero here, so the inverse is finite.
    bool hit(const Ray &r, const Vec3 &inverse, double limit) const
    {
        double near = 0.0, far = limit;
        for (int i = 0; i < 3; i++) {
            double a = (low[i] - r.from[i]) * inverse[i], b = (high[i] - r.from[i]) * inverse[i];
            near = std::max(near, std::min(a, b));
            far = std::min(far, std::max(a, b));
        }
        return near <= far;
    }
};

struct Object {
    bool sphere;
    Vec3 a, b, c;           // centre, or three corners
    double radius;
    Vec3 colour;
    double mirror;

    Box box() const
    {
        Box r;
        Vec3 pad{{1e-6, 1e-6, 1e-6}}, size{{radius, radius, radius}};
        if (sphere) {
            r.low = a - size - pad;
            r.high = a + size + pad;
        } else {
            for (const Vec3 &p : {a, b, c})
                r.add({p - pad, p + pad});
        }
        return r;
    }

    Vec3 normal(const Vec3 &p) const { return unit(sphere ? p - a : cross(b - a, c - a)); }

    // Distance along the ray, or 0 for a miss.
    double hit(const Ray &r) const
    {
        const double least = 1e-6;
        if (sphere) {
            Vec3 d = r.from - a;
            double half = dot(d, r.to), rest = half * half - dot(d, d) + radius * radius;
            if (rest < 0.0)
                return 0.0;
            double root = std::sqrt(rest), near = -half - root, far = -half + root;
            return near > least ? near : far > least ? far : 0.0;
        }
        Vec3 e = b - a, f = c - a, p = cross(r.to, f);
        double scale = dot(e, p);
        if (std::fabs(scale) < 1e-12)
            return 0.0;
        Vec3 s = r.from - a, q = cross(s, e);
        double u = dot(s, p) / scale, v = dot(r.to, q) / scale, t = dot(f, q) / scale;
        return u >= 0.0 && v >= 0.0 && u + v <= 1.0 && t > least ? t : 0.0;
    }
};

struct Hit {
    double distance = 1e30;
    int object = -1;
    bool operator==(const Hit &o) const { return distance == o.distance && object == o.object; }
};

// Nodes are stored in order: the left child follows its parent.
class Tree {
public:
    explicit Tree(const std::vector<Object> &objects) : objects(objects)
    {
        for (int i = 0; i < int(objects.size()); i++)
            order.push_back(i);
        if (!order.empty())
            build(0, int(order.size()));
    }

    Hit closest(const Ray &r) const
    {
        Hit best;
        Vec3 inverse{{1.0 / r.to[0], 1.0 / r.to[1], 1.0 / r.to[2]}};
        int stack[64], depth = 0;
        if (!nodes.empty())
            stack[depth++] = 0;
        while (depth > 0) {
            const Node &n = nodes[stack[--depth]];
            if (!n.box.hit(r, inverse, best.distance))
                continue;
            if (n.count == 0) {
                stack[depth++] = n.right;
                stack[depth++] = int(&n - nodes.data()) + 1;
            }
            for (int i = n.first; i < n.first + n.count; i++)
                consider(best, r, order[i]);
        }
        return best;
    }

    Hit closest_slow(const Ray &r) const
    {
        Hit best;
        for (int i = 0; i < int(objects.size()); i++)
            consider(best, r, i);
        return best;
    }

private:
    struct Node {
        Box box;
        int first, count, right;
    };
    const std::vector<Object> &objects;
    std::vector<int> order;
    std::vector<Node> nodes;

    // Equal distances go to the lower number, whatever the visiting order.
    void consider(Hit &best, const Ray &r, int i) const
    {
        double t = objects[i].hit(r);
        if (t > 0.0 && (t < best.distance || (t == best.distance && i < best.object)))
            best = {t, i};
    }

    int build(int first, int count)
    {
        int at = int(nodes.size()), axis = 0;
        Box box;
        for (int i = first; i < first + count; i++)
            box.add(objects[order[i]].box());
        nodes.push_back({box, first, count, 0});
        if (count <= 2)
            return at;
        for (int i = 1; i < 3; i++)
            if (box.high[i] - box.low[i] > box.high[axis] - box.low[axis])
                axis = i;
        auto key = [&](int i) {
            Box b = objects[i].box();
            return b.low[axis] + b.high[axis];
        };
        std::sort(order.begin() + first, order.begin() + first + count, [&](int a, int b) {
            return key(a) != key(b) ? key(a) < key(b) : a < b;
        });
        build(first, count / 2);
        int right = build(first + count / 2, count - count / 2);
        nodes[at].count = 0;
        nodes[at].right = right;
        return at;
    }
};

struct Scene {
    std::vector<Object> objects;
    Vec3 light{{3.1, 7.3, -4.7}};

    bool read(const char *path)
    {
        std::ifstream in(path);
        std::string kind;
        while (in >> kind) {
            Object o{};
            o.sphere = kind == "sphere";
            if (kind == "light") {
                in >> light[0] >> light[1] >> light[2];
            } else if (o.sphere || kind == "triangle") {
                std::vector<Vec3 *> points{&o.a};
                if (!o.sphere)
                    points.insert(points.end(), {&o.b, &o.c});
                for (Vec3 *p : points)
                    in >> (*p)[0] >> (*p)[1] >> (*p)[2];
                if (o.sphere)
                    in >> o.radius;
                in >> o.colour[0] >> o.colour[1] >> o.colour[2] >> o.mirror;
                objects.push_back(o);
            } else {
                return false;
            }
            if (!in)
                return false;
        }
        return in.eof() && !objects.empty();
    }
};

struct Tracer {
    const Scene &scene;
    const Tree &tree;
    uint64_t rays = 0, compared = 0, wrong = 0;

    Hit shoot(const Ray &r)
    {
        Hit h = tree.closest(r);
        if (rays++ % 101 == 0) {    // a sample of rays is tested against all objects
            compared++;
            wrong += !(tree.closest_slow(r) == h);
        }
        return h;
    }

    Vec3 colour(const Ray &r, int depth)
    {
        Hit h = shoot(r);
        double floor_at = r.to[1] < 0.0 ? -r.from[1] / r.to[1] : 0.0;
        Vec3 point, normal, base;
        double mirror = 0.0;
        if (floor_at > 1e-6 && floor_at < h.distance && floor_at < 60.0) {
            point = r.from + r.to * floor_at;
            normal = {{0.0, 1.0, 0.0}};
            int tile = int(std::floor(point[0])) + int(std::floor(point[2]));
            base = tile & 1 ? Vec3{{0.25, 0.3, 0.3}} : Vec3{{0.85, 0.8, 0.75}};
        } else if (h.object >= 0) {
            const Object &o = scene.objects[h.object];
            point = r.from + r.to * h.distance;
            normal = o.normal(point);
            if (dot(normal, r.to) > 0.0)
                normal = normal * -1.0;
            base = o.colour;
            mirror = o.mirror;
        } else {
            double up = 0.5 * (r.to[1] + 1.0);
            return Vec3{{0.95, 0.95, 1.0}} * (1.0 - up) + Vec3{{0.35, 0.55, 0.9}} * up;
        }
        Vec3 start = point + normal * 1e-5, path = scene.light - start;
        double reach = std::sqrt(dot(path, path)), bright = 0.15;
        Vec3 to_light = path * (1.0 / reach);
        double facing = dot(normal, to_light);
        if (facing > 0.0 && shoot({start, to_light}).distance >= reach) {
            Vec3 halfway = unit(to_light - r.to);
            double shine = std::max(0.0, dot(normal, halfway));
            for (int i = 0; i < 5; i++)
                shine *= shine;
            bright += 0.8 * facing + 0.5 * mirror * shine;
        }
        Vec3 result = base * bright;
        if (mirror > 0.0 && depth > 0) {
            Ray next{start, unit(r.to - normal * (2.0 * dot(normal, r.to)))};
            result = result * (1.0 - mirror) + colour(next, depth - 1) * mirror;
        }
        return result;
    }
};

static bool parse(const char *s, long low, long high, int &out)
{
    char *end;
    long v = std::strtol(s, &end, 10);
    out = int(v);
    return *s && !*end && v >= low && v <= high;
}

int main(int argc, char **argv)
{
    int width, height, depth, grid;
    if (argc != 6 || !parse(argv[2], 1, 4096, width) || !parse(argv[3], 1, 4096, height) ||
        !parse(argv[4], 0, 10, depth) || !parse(argv[5], 1, 16, grid)) {
        std::fprintf(stderr, "usage: raytrace SCENE WIDTH HEIGHT REFLECTIONS SAMPLE_GRID\n");
        return 2;
    }
    Scene scene;
    if (!scene.read(argv[1])) {
        std::fprintf(stderr, "raytrace: cannot read %s\n", argv[1]);
        return 1;
    }
    Tree tree(scene.objects);
    Tracer tracer{scene, tree};
    std::vector<unsigned char> pixels;
    // The odd offsets keep every component of every direction away from zero.
    Vec3 eye{{0.0137, 2.1071, -7.0213}};
    double sum = 0.0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            Vec3 c;     // mean over a grid of samples
            for (int i = 0; i < grid * grid; i++) {
                double sx = x + (i % grid + 0.5013) / grid, sy = y + (i / grid + 0.5017) / grid;
                double px = (sx - width * 0.5) / height, py = (height * 0.5 - sy) / height;
                c = c + tracer.colour({eye, unit(Vec3{{px, py - 0.1003, 1.0}})}, depth);
            }
            c = c * (1.0 / (grid * grid));
            for (int i = 0; i < 3; i++) {
                sum += c[i];
                double clamped = std::min(1.0, std::max(0.0, c[i]));
                pixels.push_back(static_cast<unsigned char>(std::sqrt(clamped) * 255.0 + 0.5));
            }
        }
    uint64_t hash = 0xcbf29ce484222325u;
    for (unsigned char p : pixels)
        hash = (hash ^ p) * 0x100000001b3u;
    std::ofstream out("picture.ppm", std::ios::binary);
    out << "P6\n" << width << ' ' << height << "\n255\n";
    out.write(reinterpret_cast<const char *>(pixels.data()), std::streamsize(pixels.size()));
    out.close();
    std::printf("objects %zu rays %llu compared %llu\n", scene.objects.size(),
                (unsigned long long)tracer.rays, (unsigned long long)tracer.compared);
    std::printf("brightness %.9f pixels %016llx\n", sum, (unsigned long long)hash);
    if (!out || tracer.wrong || tracer.compared == 0) {
        std::fprintf(stderr, "raytrace: %llu rays hit something else than the slow search\n",
                     (unsigned long long)tracer.wrong);
        return 1;
    }
    std::puts("ok");
    return 0;
}
