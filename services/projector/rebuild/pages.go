package rebuild

import "context"

// pages walks over rows in the order of their sequences, some at a time.
type pages[T any] struct {
	size  int
	read  func(ctx context.Context, after uint64, n int) ([]T, error)
	seq   func(*T) uint64
	page  []T
	i     int
	after uint64
	end   bool
}

// next is the next row, nil at the end. It is valid until the next page.
func (p *pages[T]) next(ctx context.Context) (*T, error) {
	if p.i == len(p.page) && !p.end {
		page, err := p.read(ctx, p.after, p.size)
		if err != nil {
			return nil, err
		}
		p.page, p.i, p.end = page, 0, len(page) < p.size
		if len(page) > 0 {
			p.after = p.seq(&page[len(page)-1])
		}
	}
	if p.i == len(p.page) {
		return nil, nil
	}
	p.i++
	return &p.page[p.i-1], nil
}

// merge walks over two at once and hands on what has the same sequence, nil
// where one of them has nothing.
func merge[T any](ctx context.Context, a, b *pages[T], each func(x, y *T)) error {
	x, err := a.next(ctx)
	if err != nil {
		return err
	}
	y, err := b.next(ctx)
	if err != nil {
		return err
	}
	for x != nil || y != nil {
		left := x != nil && (y == nil || a.seq(x) <= b.seq(y))
		right := y != nil && (x == nil || b.seq(y) <= a.seq(x))
		switch {
		case left && right:
			each(x, y)
		case left:
			each(x, nil)
		default:
			each(nil, y)
		}
		if left {
			if x, err = a.next(ctx); err != nil {
				return err
			}
		}
		if right {
			if y, err = b.next(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
