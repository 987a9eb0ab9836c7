(define loop (lambda (n a) (if (eq n 0) a (loop (- n 1) (+ a n)))))
(loop 1000 0) 500500
(head '(a b)) a
'(1 (2 . 3)) (1 (2 . 3))
(/ -7 2) -3
(% -7 2) -1
