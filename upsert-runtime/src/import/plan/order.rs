//! In which order rows give keys to each other, where the database checks unique keys row by row.

/// How many statements a chain of key changes may take, one after the other; the rest of a longer one is parked.
const MOST_LAYERS: usize = 8;

/// The order of writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Writes that can be done together, after those of the layers before.
    pub(crate) layers: Vec<Vec<usize>>,
    /// Writes that are done last, after a passing value was put in place of the key that another one needs: cycles, and what
    /// comes after them or after too many others.
    pub(crate) parked: Vec<usize>,
}

impl Order {
    /// `needs[write]` are the writes that must come before.
    pub(crate) fn of(needs: &[Vec<usize>]) -> Self {
        let mut is_done = vec![false; needs.len()];
        let mut layers = Vec::new();
        while layers.len() < MOST_LAYERS {
            let is_ready = |write: &usize| {
                !is_done[*write] && needs[*write].iter().all(|&earlier| is_done[earlier])
            };
            let layer: Vec<usize> = (0..needs.len()).filter(is_ready).collect();
            if layer.is_empty() {
                break;
            }
            for &write in &layer {
                is_done[write] = true;
            }
            layers.push(layer);
        }
        Self {
            layers,
            parked: (0..needs.len()).filter(|&write| !is_done[write]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_a_key_comes_first() {
        let order = Order::of(&[vec![1], vec![2], vec![], vec![]]);
        assert_eq!(order.layers, [vec![2, 3], vec![1], vec![0]]);
        assert!(order.parked.is_empty());
    }

    #[test]
    fn cycles_and_what_waits_for_them_are_parked() {
        let order = Order::of(&[vec![1], vec![0], vec![0], vec![]]);
        assert_eq!(order.layers, [vec![3]]);
        assert_eq!(order.parked, [0, 1, 2]);
    }

    #[test]
    fn a_long_chain_takes_no_statement_a_row() {
        let chain: Vec<Vec<usize>> = (0..100_usize)
            .map(|write| write.checked_sub(1).into_iter().collect())
            .collect();
        let order = Order::of(&chain);
        assert_eq!((order.layers.len(), order.parked.len()), (8, 92));
    }
}
