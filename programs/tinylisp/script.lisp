; Definitions first. Then pairs: an expression, and the value it must have.
(define not (lambda (x) (eq x ())))
(define map (lambda (f l) (if l (cons (f (head l)) (map f (tail l))) ())))
(define fold (lambda (f a l) (if l (fold f (f a (head l)) (tail l)) a)))
(define filter (lambda (f l)
  (if l (if (f (head l)) (cons (head l) (filter f (tail l))) (filter f (tail l))) ())))
(define range (lambda (a b) (if (< a b) (cons a (range (+ a 1) b)) ())))
(define append (lambda (a b) (if a (cons (head a) (append (tail a) b)) b)))
(define reverse (lambda (l) (fold (lambda (a x) (cons x a)) () l)))
(define length (lambda (l) (fold (lambda (a x) (+ a 1)) 0 l)))
(define sum (lambda (l) (fold + 0 l)))
(define fib (lambda (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))))
(define fact (lambda (n) (if (eq n 0) 1 (* n (fact (- n 1))))))
(define gcd (lambda (a b) (if (eq b 0) a (gcd b (% a b)))))
(define ack (lambda (m n)
  (if (eq m 0) (+ n 1)
    (if (eq n 0) (ack (- m 1) 1) (ack (- m 1) (ack m (- n 1)))))))
(define quicksort (lambda (l)
  (if l
    (let ((p (head l)) (r (tail l)))
      (append (quicksort (filter (lambda (x) (< x p)) r))
        (cons p (quicksort (filter (lambda (x) (not (< x p))) r)))))
    ())))
(define noise (lambda (n x) (if (eq n 0) () (cons x (noise (- n 1) (% (+ (* x 75) 74) 65537))))))
(define sorted (lambda (l)
  (or (not l) (or (not (tail l)) (and (not (< (head (tail l)) (head l))) (sorted (tail l)))))))
(define divides (lambda (d n) (eq (% n d) 0)))
(define sieve (lambda (l)
  (if l (cons (head l) (sieve (filter (lambda (x) (not (divides (head l) x))) (tail l)))) ())))
(define compose (lambda (f g) (lambda (x) (f (g x)))))
(define twice (lambda (f) (compose f f)))
; Queens: a board is a list of columns, the newest row first.
(define safe (lambda (c d b)
  (if b
    (if (or (eq c (head b)) (or (eq c (+ (head b) d)) (eq c (- (head b) d)))) () (safe c (+ d 1) (tail b)))
    t)))
(define queens (lambda (n row b)
  (if (eq row n) 1
    (fold (lambda (a c) (if (safe c 1 b) (+ a (queens n (+ row 1) (cons c b))) a)) 0 (range 0 n)))))
; A difference of expressions in x, with the simplest rules only.
(define mk (lambda (op a b)
  (if (eq op '*)
    (if (or (eq a 0) (eq b 0)) 0 (if (eq a 1) b (if (eq b 1) a (list '* a b))))
    (if (eq a 0) b (if (eq b 0) a (list '+ a b))))))
(define diff (lambda (e)
  (if (atom e) (if (eq e 'x) 1 0)
    (let ((a (head (tail e))) (b (head (tail (tail e)))))
      (if (eq (head e) '+) (mk '+ (diff a) (diff b))
        (mk '+ (mk '* (diff a) b) (mk '* a (diff b))))))))

(+ 1 (* 2 3)) 7
(list 1 'a '(b c) (- 2 5)) (1 a (b c) -3)
(cons 1 2) (1 . 2)
(fact 10) 3628800
(fib 17) 1597
(ack 2 9) 21
(gcd 1071 462) 21
(map (lambda (x) (* x x)) (range 0 8)) (0 1 4 9 16 25 36 49)
(reverse (append '(1 2 3) '(4 5))) (5 4 3 2 1)
(((twice twice) (lambda (x) (+ x 3))) 0) 12
(sieve (range 2 120)) (2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97 101 103 107 109 113)
(quicksort '(3 1 4 1 5 9 2 6 5 3 5)) (1 1 2 3 3 4 5 5 5 6 9)
(sorted (quicksort (noise 150 7))) t
(eq (sum (noise 150 7)) (sum (quicksort (noise 150 7)))) t
(queens 6 0 ()) 4
(diff '(+ (* x x) (* 3 x))) (+ (+ x x) 3)
(length (range 0 500)) 500
(and () 1) ()
(or () 1) 1
(let ((a 2) (b (* a 5))) (list b a)) (10 2)
