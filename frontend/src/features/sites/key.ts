export const key = ['sites']
