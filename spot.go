package berth

import "maps"

// LabelSpot is the label of workers that somebody else may take away at any time, as
// requests ask for it or keep off it: "true" on those whose registration says so, and
// on no other. Nobody sets it as a label.
const LabelSpot = "berth.spot"

// AllLabels are a worker's labels as the scheduler sees them: its own, and what its
// registration says besides. They are to be read only.
func (w *Worker) AllLabels() map[string]string {
	if _, own := w.Labels[LabelSpot]; !own && !w.Spot {
		return w.Labels
	}
	all := make(map[string]string, len(w.Labels)+1)
	maps.Copy(all, w.Labels)
	delete(all, LabelSpot) // of an agent that did not know the word
	if w.Spot {
		all[LabelSpot] = "true"
	}
	return all
}

// ValidateWorkerLabels checks the labels that a worker is to register with.
func ValidateWorkerLabels(field string, labels map[string]string) error {
	if v, own := labels[LabelSpot]; own {
		return &FieldError{Field: field + "." + LabelSpot, Value: clip(v), Problem: "is reserved", Bound: "no label: --spot says it"}
	}
	return ValidateLabels(field, labels)
}
