package rules

import (
	"fmt"
	"testing"
	"time"
)

// TestReclaim_EachFound: what TestReclaim_EachModel has found.
func TestReclaim_EachFound(t *testing.T) {
	for i, m := range []eachModel{
		// One of two borrowers each has a part of each worker.
		{[]int64{2, 2}, 1, 4000, 0, 0, nil, nil, 500, false, 0, []eachDeed{{"ask", 0, eachRun{"a", 2000, 0}, 0, 0}}},
		// Less room is lacking than quota, of two borrowers.
		{[]int64{4, 3}, 2, 2000, 2000, 1000, nil, []eachRun{{"b", 1000, 0}}, 500, false, 1, []eachDeed{
			{"ask", 1, eachRun{"a", 2000, 0}, 15, 0}, {"ask", 1, eachRun{"a", 4000, 0}, 13, 0}, {"ask", 1, eachRun{"a", 2000, 0}, 5, 2 * time.Second},
		}},
		// Groups whose members need the ends of two borrowers' requests, some of them of groups.
		{[]int64{3, 4}, 2, 6000, 0, 1000, nil, nil, 1000, true, 2, []eachDeed{{"ask", 1, eachRun{"a", 2000, 2}, 0, 300 * time.Millisecond}}},
		{[]int64{3, 3, 4}, 1, 7500, 0, 500, nil, []eachRun{{"b", 1000, 2}, {"c", 1000, 2}, {"c", 500, 0}}, 1000, true, 2, []eachDeed{{"ask", 0, eachRun{"a", 2000, 3}, 7, 0}}},
		// A group of one behind one of three.
		{[]int64{4, 3, 2}, 2, 8000, 500, 500, nil, []eachRun{{"c", 500, 0}, {"b", 2000, 0}}, 1000, true, 0, []eachDeed{
			{"ask", 1, eachRun{"a", 2000, 3}, 8, 0}, {"ask", 0, eachRun{"a", 2000, 1}, 4, 0},
		}},
		// What is stopped is placed again where the next is to have room, and stopped again.
		{[]int64{3, 3, 4, 2, 2}, 2, 14000, 0, 0, nil, nil, 500, true, 2, []eachDeed{
			{"ask", 0, eachRun{"a", 2000, 0}, 1, 0},
			{"ask", 1, eachRun{"a", 500, 0}, 11, 0},
			{"ask", 0, eachRun{"a", 2000, 3}, 2, 0},
			{"ask", 1, eachRun{"a", 2000, 1}, 11, 300 * time.Millisecond},
			{"ask", 1, eachRun{"a", 1000, 3}, 1, 0},
		}},
		{[]int64{4, 4, 3, 4, 2}, 1, 15000, 1000, 1000, nil, []eachRun{}, 500, false, 1, []eachDeed{
			{"ask", 1, eachRun{"a", 2000, 0}, 6, 0}, {"ask", 1, eachRun{"a", 2000, 2}, 0, 0}, {"ask", 1, eachRun{"a", 2000, 1}, 2, 0}, {"ask", 1, eachRun{"a", 2000, 3}, 2, 300 * time.Millisecond},
		}},
		// What cannot have room is first, and what is behind it can.
		{[]int64{2, 4}, 2, 5500, 500, 0, []int64{500, 1000, 500}, nil, 500, true, 1, []eachDeed{
			{"ask", 1, eachRun{"a", 1000, 2}, 1, 0}, {"ask", 0, eachRun{"a", 1000, 0}, 3, 7 * time.Second}, {"ask", 1, eachRun{"a", 1000, 0}, 1, 0}, {"ask", 1, eachRun{"a", 500, 0}, 8, 0},
		}},
		// Nine have to end on three workers, of one tenant no more than four.
		{[]int64{3, 2, 3}, 1, 6000, 1000, 0, []int64{500}, nil, 500, true, 1, []eachDeed{{"ask", 1, eachRun{"a", 2000, 3}, 9, 300 * time.Millisecond}}},
		// Of four equal groups with quota for one, each in turn is kept what room is made on.
		{[]int64{2, 3, 4}, 1, 8500, 0, 500, []int64{500}, []eachRun{{"c", 1000, 0}, {"b", 1000, 0}, {"b", 1000, 0}, {"c", 500, 3}, {"c", 1000, 0}, {"b", 1000, 0}}, 500, false, 0, []eachDeed{
			{"ask", 0, eachRun{"a", 1000, 0}, 6, 0},
			{"ask", 0, eachRun{"a", 2000, 1}, 1, 0},
			{"ask", 1, eachRun{"a", 2000, 1}, 0, 0},
			{"ask", 1, eachRun{"a", 2000, 1}, 0, 0},
			{"ask", 0, eachRun{"a", 2000, 1}, 12, 7 * time.Second},
			{"ask", 1, eachRun{"a", 2000, 1}, 15, 0},
			{"cancel", 0, eachRun{}, 0, 0},
		}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if wrong := m.happens(t); wrong != "" {
				t.Errorf("%s\nof %#v", wrong, m)
			}
		})
	}
}
