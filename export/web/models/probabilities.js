/** What the model's activation makes of logits. */
function probabilities(logits) {
  if (PROGRAM.activation === "sigmoid") {
    return Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
  }
  if (PROGRAM.activation === "softmax") {
    const largest = Math.max(...logits);
    const raised = Array.from(logits, (logit) => Math.exp(logit - largest));
    const sum = raised.reduce((left, right) => left + right, 0);
    return raised.map((value) => value / sum);
  }
  return Array.from(logits);
}

/** The name of a class; its number where the model has no names. */
function label(number) {
  return info.labels[number] ?? String(number);
}

/** Texts by their logits, the largest first. */
function ranked(texts, logits) {
  const scores = logits.map((logit) => probabilities([logit])[0]);
  const order = [...texts.keys()].sort((left, right) => logits[right] - logits[left]);
  return order.map((index) => ({ index, text: texts[index], score: scores[index] }));
}

/** All classes by their logits, the most probable first. */
function classes(logits) {
  const found = probabilities(logits).map((score, number) => ({ label: label(number), score }));
  return found.sort((left, right) => right.score - left.score);
}
